// <layerlab-replay>: the stored runs of an experiment behind sliders, without a kernel.
// <layerlab-predict>: a question that is asked before the figure answers it.
// <layerlab-film>: a figure whose points move, with a play button and a slider over its frames.
//
// They stand in the page as complete HTML; this script only adds what moves. No dependency, nothing from elsewhere.
// Events (bubbling): "layerlab-change" {name, parameters} on a replay, "layerlab-predict" {key, answer} on a question.
(() => {
  "use strict";
  let counter = 0;
  const el = (tag, properties = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(properties)) {
      if (key in node && key !== "list") node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };

  class Replay extends HTMLElement {
    connectedCallback() {
      const source = this.querySelector(".ll-manifest");
      if (!source || this.manifest) return;
      this.manifest = JSON.parse(source.textContent);
      this.id ||= `ll-replay-${++counter}`;
      this.files = new Map();
      this.at = [...this.manifest.runs[this.manifest.start].at];
      this.shown = this.find(this.at);
      this.piece = (name) => this.querySelector(`.ll-${name}`);
      this.buildControls();
      this.buildNumbers();
      this.live = el("p", { className: "ll-live" });
      this.live.setAttribute("aria-live", "polite");
      this.append(this.live);
      for (const kind of ["wide", "narrow"]) this.piece(`figure--${kind}`).run = this.shown;
      new ResizeObserver(() => {
        if (this.shown && this.slot.box.run !== this.shown && this.find(this.at) === this.shown) this.update();
      }).observe(this);
      const near = () => this.prefetch();
      this.addEventListener("pointerenter", near, { once: true });
      this.addEventListener("focusin", near, { once: true });
    }

    find(at) {
      return this.manifest.runs.find((run) => run.at.every((value, i) => value === at[i]));
    }

    get parameters() {
      return Object.fromEntries(this.manifest.fields.map((field, i) => [field.name, field.values[this.at[i]]]));
    }

    buildControls() {
      const box = this.piece("controls");
      box.replaceChildren();
      if (!this.manifest.fields.length) box.hidden = true;
      this.inputs = this.manifest.fields.map((field, i) => {
        const id = `${this.id}-${field.name}`;
        const unit = field.unit ? ` ${field.unit}` : "";
        const label = el("label", { className: "ll-label", htmlFor: id, textContent: field.label });
        if (field.help) label.title = field.help;
        let input, output;
        if (field.kind === "choice") {
          input = el("select", { id, className: "ll-select" });
          input.append(...field.texts.map((text, value) => el("option", { value, textContent: text })));
          input.value = this.at[i];
        } else {
          input = el("input", { id, className: "ll-slider", type: "range", min: 0, max: field.values.length - 1, step: 1 });
          input.value = this.at[i];
          output = el("output", { className: "ll-value", htmlFor: id });
        }
        const say = () => {
          if (!output) return;
          output.textContent = field.texts[input.value] + unit;
          input.setAttribute("aria-valuetext", field.texts[input.value] + unit);
        };
        say();
        input.addEventListener("input", () => {
          this.at[i] = Number(input.value);
          this.moved = i;
          say();
          this.update();
        });
        box.append(el("div", { className: `ll-control ll-control--${field.kind}` }, label, input, ...(output ? [output] : [])));
        return { set: (value) => { input.value = value; say(); } };
      });
    }

    buildNumbers() {
      const foot = this.piece("foot");
      const id = `${this.id}-numbers`;
      const button = el("button", { type: "button", className: "ll-button", textContent: "Numbers" });
      button.setAttribute("aria-expanded", "false");
      button.setAttribute("aria-controls", id);
      this.numbers = el("div", { id, className: "ll-numbers", hidden: true });
      button.addEventListener("click", () => {
        this.numbers.hidden = !this.numbers.hidden;
        button.setAttribute("aria-expanded", String(!this.numbers.hidden));
        if (!this.numbers.hidden && this.shown) this.showTable(this.shown);
      });
      foot.prepend(button);
      foot.after(this.numbers);
    }

    // The page holds the figure twice, drawn wide and for a phone; the style sheet shows the one that fits.
    get slot() {
      const narrow = this.piece("figure--narrow");
      return getComputedStyle(narrow).display === "none" ? { box: this.piece("figure--wide"), suffix: "" } : { box: narrow, suffix: ".narrow" };
    }

    load(file) {
      if (!this.files.has(file)) {
        const address = `${this.getAttribute("base")}/${encodeURIComponent(file)}.json?v=${this.manifest.digest}`;
        const promise = fetch(address).then((answer) => {
          if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
          return answer.json();
        });
        promise.catch(() => this.files.delete(file));
        this.files.set(file, promise);
      }
      return this.files.get(file);
    }

    async update() {
      this.dispatchEvent(new CustomEvent("layerlab-change", {
        bubbles: true, detail: { name: this.manifest.name, parameters: this.parameters },
      }));
      const run = this.find(this.at);
      if (!run) return this.showMissing();
      this.wanted = run;
      const { box, suffix } = this.slot;
      try {
        const data = await this.load(run.file + suffix);
        if (this.wanted === run) this.show(run, data, box);
      } catch (error) {
        if (this.wanted === run) this.showFailure(error);
      }
    }

    show(run, data, box) {
      this.shown = run;
      this.say(null);
      box.innerHTML = data.svg;
      box.run = run;
      this.piece("claims-slot").innerHTML = data.claims;
      this.piece("provenance-slot").innerHTML = data.provenance;
      this.piece("summary").textContent = data.summary;
      if (!this.numbers.hidden) this.showTable(run);
      clearTimeout(this.speaking);
      this.speaking = setTimeout(() => { this.live.textContent = data.alt; }, 400);
      this.prefetch();
    }

    prefetch() {
      const idle = window.requestIdleCallback || ((action) => setTimeout(action, 100));
      const { suffix } = this.slot;
      idle(() => {
        this.at.forEach((value, i) => {
          for (const step of [-1, 1]) {
            const run = this.find(this.at.with ? this.at.with(i, value + step) : this.at.map((v, j) => (j === i ? v + step : v)));
            if (run) this.load(run.file + suffix).catch(() => {});
          }
        });
      });
    }

    showMissing() {
      this.wanted = null;
      // near is what keeps the value that the reader has just chosen and changes the others least
      const far = (run) => run.at.reduce((sum, value, i) => sum + Math.abs(value - this.at[i]) * (i === this.moved ? 100 : 1), 0);
      const nearest = this.manifest.runs.reduce((best, run) => (far(run) < far(best) ? run : best));
      const button = el("button", { type: "button", className: "ll-button", textContent: "Nearest stored run" });
      button.addEventListener("click", () => {
        this.at = [...nearest.at];
        this.inputs.forEach((input, i) => input.set(this.at[i]));
        this.update();
        this.querySelector("input, select")?.focus();
      });
      const live = document.getElementById("layerlab-live") ? "Go live to compute it, or take the nearest." : "Take the nearest.";
      this.say(`This run is not stored. ${live} `, button);
    }

    showFailure(error) {
      const button = el("button", { type: "button", className: "ll-button", textContent: "Try again" });
      button.addEventListener("click", () => this.update());
      this.say(`The figure could not be loaded (${error.message}). `, button);
    }

    say(text, ...more) {
      const note = this.piece("note");
      this.piece("view").classList.toggle("ll-view--absent", text !== null);
      note.hidden = text === null;
      note.replaceChildren(...(text === null ? [] : [text, ...more]));
      if (text !== null) this.live.textContent = text;
    }

    async showTable(run) {
      try {
        const data = await this.load(`${run.file}.table`);
        if (this.shown === run) this.fillTable(run, data);
      } catch (error) {
        this.numbers.textContent = `The numbers could not be loaded (${error.message}).`;
      }
    }

    fillTable(run, { columns, rows }) {
      const text = (value) => (value === null ? "" : typeof value === "number" ? String(value).replace("-", "−") : String(value));
      const limit = 500;
      const caption = `Numbers behind the figure${rows.length > limit ? ` (first ${limit} of ${rows.length} rows; all are in the file)` : ""}`;
      const table = el("table", { className: "ll-table" }, el("caption", { textContent: caption }));
      const head = el("tr", {}, ...columns.map((name) => el("th", { scope: "col", textContent: name })));
      const body = rows.slice(0, limit).map((row) => el("tr", {}, ...row.map((value) => el("td", { textContent: text(value) }))));
      table.append(el("thead", {}, head), el("tbody", {}, ...body));
      const scroll = el("div", { className: "ll-scroll", tabIndex: 0, role: "region" }, table);
      scroll.setAttribute("aria-label", "Numbers behind the figure");
      const cell = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
      const csv = [columns, ...rows].map((row) => row.map((value) => cell(value === null ? "" : String(value))).join(",")).join("\n");
      if (this.csv) URL.revokeObjectURL(this.csv);
      this.csv = URL.createObjectURL(new Blob([csv + "\n"], { type: "text/csv" }));
      const name = `${this.manifest.name.replaceAll("/", "-")}_${run.file}.csv`;
      const link = el("a", { className: "ll-button", href: this.csv, download: name, textContent: "Download as CSV" });
      this.numbers.replaceChildren(link, scroll);
    }
  }

  class Film extends HTMLElement {
    connectedCallback() {
      if (this.slider) return;
      const film = JSON.parse(this.querySelector("script").textContent);
      this.at = film.at;
      this.label = film.label;
      this.tracks = film.tracks.map(({ box: [left, bottom, width, height], steps }, number) => {
        const sum = new Int32Array(steps[0].length);
        const frames = steps.map((step) => {
          step.forEach((change, i) => { sum[i] += change; });
          return Float32Array.from(sum, (v, i) => (i % 2 ? bottom - (v * height) / film.parts : left + (v * width) / film.parts));
        });
        return { frames, points: [...this.querySelectorAll(`[data-film="${number}"] use`)] };
      });
      const last = this.at.length - 1;
      this.button = el("button", { type: "button", className: "ll-button ll-film-play" });
      this.slider = el("input", { className: "ll-slider", type: "range", min: 0, max: last, step: "any", value: last });
      this.slider.setAttribute("aria-label", this.label);
      this.output = el("output", { className: "ll-value" });
      this.append(el("div", { className: "ll-film-controls" }, this.button, this.slider, this.output));
      this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
      this.slider.addEventListener("input", () => { this.pause(); this.show(Number(this.slider.value)); });
      this.slider.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        this.pause();
        this.show(Math.min(last, Math.max(0, Math.round(this.place) + step)));
      });
      this.place = last;
      this.say();
      this.pause();
    }

    disconnectedCallback() {
      cancelAnimationFrame(this.timer);
      this.timer = null;
    }

    // Between two frames the points go straight from the one to the other.
    show(place) {
      this.place = place;
      const from = Math.floor(place), to = Math.min(from + 1, this.at.length - 1), part = place - from;
      for (const { frames, points } of this.tracks) {
        const a = frames[from], b = frames[to];
        points.forEach((point, i) => {
          point.setAttribute("x", (a[2 * i] + part * (b[2 * i] - a[2 * i])).toFixed(2));
          point.setAttribute("y", (a[2 * i + 1] + part * (b[2 * i + 1] - a[2 * i + 1])).toFixed(2));
        });
      }
      this.slider.value = place;
      this.say();
    }

    say() {
      const text = `${this.label} ${this.at[Math.round(this.place)].toLocaleString("en")}`;
      this.output.textContent = text;
      this.slider.setAttribute("aria-valuetext", text);
    }

    play() {
      const last = this.at.length - 1;
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const speed = still ? 2 : Math.max(5, last / 12);  // frames a second: twelve seconds in all
      const start = this.place >= last ? 0 : this.place;
      let begun = null;
      const tick = (now) => {
        begun ??= now;
        const place = Math.min(last, start + ((now - begun) / 1000) * speed);
        this.show(still ? Math.floor(place) : place);
        if (place < last) this.timer = requestAnimationFrame(tick);
        else this.pause();
      };
      this.timer = requestAnimationFrame(tick);
      this.button.textContent = "Pause";
    }

    pause() {
      cancelAnimationFrame(this.timer);
      this.timer = null;
      this.button.textContent = "Play";
    }
  }

  class Predict extends HTMLElement {
    connectedCallback() {
      if (this.form) return;
      this.form = this.querySelector(".ll-predict-form");
      this.answer = this.querySelector(".ll-predict-answer");
      if (!this.form || !this.answer) return;
      this.key = `layerlab:predict:${this.getAttribute("key")}`;
      for (const node of this.querySelectorAll("[data-needs-script]")) node.hidden = false;
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        const given = new FormData(this.form).get("answer");
        if (given === null || given === "") return;
        this.store(given);
        this.reveal(given);
        this.answer.focus();
        this.dispatchEvent(new CustomEvent("layerlab-predict", {
          bubbles: true, detail: { key: this.getAttribute("key"), answer: given },
        }));
      });
      const before = this.recall();
      if (before !== null) this.reveal(before);
      else this.veil(true);
    }

    store(value) {
      try {
        if (value === null) localStorage.removeItem(this.key);
        else localStorage.setItem(this.key, value);
      } catch { /* private window: the answer lives as long as the page */ }
    }

    recall() {
      try {
        return localStorage.getItem(this.key);
      } catch {
        return null;
      }
    }

    reveal(given) {
      this.veil(false);
      this.answer.open = true;
      this.answer.tabIndex = -1;
      const right = this.getAttribute("answer");
      const inputs = [...this.form.elements.answer.length ? this.form.elements.answer : [this.form.elements.answer]];
      let text = given;  // of a choice, its own words, formulas included
      for (const input of inputs) {
        if (input.type === "radio") {
          input.checked = input.value === given;
          if (input.checked) text = input.nextElementSibling.cloneNode(true);
        } else input.value = given;
        input.disabled = true;
      }
      const verdict = right === null || inputs[0].type !== "radio" ? "" : given === right ? " The runs agree." : " The runs say otherwise.";
      const again = el("button", { type: "button", className: "ll-button ll-button--quiet", textContent: "Ask me again" });
      again.addEventListener("click", () => this.reset(inputs));
      this.querySelector(".ll-predict-said")?.remove();
      this.form.querySelector(".ll-predict-commit").hidden = true;
      this.form.after(el("p", { className: "ll-predict-said", role: "status" }, "You predicted: ", text, `.${verdict} `, again));
    }

    reset(inputs) {
      this.store(null);
      this.querySelector(".ll-predict-said")?.remove();
      for (const input of inputs) {
        input.disabled = false;
        input.checked = false;
        if (input.type !== "radio") input.value = "";
      }
      this.answer.open = false;
      this.form.querySelector(".ll-predict-commit").hidden = false;
      this.veil(true);
      inputs[0].focus();
    }

    // A figure that several questions ask about waits until the last of them is answered.
    veil(on) {
      this.waits = on;
      const name = this.getAttribute("for");
      const replay = name && document.querySelector(`layerlab-replay[name="${CSS.escape(name)}"]`);
      const view = replay && replay.querySelector(".ll-view");
      if (!view) return;
      const asking = [...document.querySelectorAll(`layerlab-predict[for="${CSS.escape(name)}"]`)].filter((p) => p.waits);
      view.querySelector(".ll-veil")?.remove();
      view.classList.toggle("ll-view--veiled", asking.length > 0);
      if (!asking.length) return;
      const button = el("button", { type: "button", className: "ll-button", textContent: "Show it without predicting" });
      button.addEventListener("click", () => asking.forEach((question) => question.veil(false)));
      view.querySelector(".ll-title").after(el("div", { className: "ll-veil" }, el("p", {}, "Predict first: the question is just above."), button));
    }
  }

  customElements.define("layerlab-replay", Replay);
  const start = () => {
    customElements.define("layerlab-film", Film);
    customElements.define("layerlab-predict", Predict);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
