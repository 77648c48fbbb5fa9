// A live page: one kernel, every code cell editable, every experiment a widget. Loaded after a press on "Live".
(function () {
  "use strict";
  const live = window.layerlabLive;
  const WIDGET = "application/vnd.jupyter.widget-view+json";
  const CALM = 400; // ms that a kernel must be busy before the page says so
  // a page of an assignment, where answers are still missing
  const asking = Boolean(JSON.parse(document.getElementById("layerlab-page")?.textContent || "{}").assignment);
  let run = null; // what is alive now; replaced as a whole, so that whatever was begun for an older one falls silent

  // ---- the server ------------------------------------------------------------------------------------------------
  const REFUSED = {
    401: "The server did not accept this page.",
    403: "The server did not accept this page.",
    404: "The server has no kernels at this address.",
  };

  async function request(settings, path, init = {}) {
    const headers = { "Content-Type": "application/json" };
    if (settings.token) headers.Authorization = `token ${settings.token}`;
    const xsrf = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/);
    if (settings.own && xsrf) headers["X-XSRFToken"] = xsrf[1];
    let answer;
    try {
      answer = await fetch(settings.baseUrl + path, { credentials: "same-origin", ...init, headers });
    } catch {
      throw new Error("The kernel server does not answer. Is it still running?");
    }
    if (!answer.ok) {
      const hint = settings.own ? " Open the book with the address that layerlab serve printed last." : "";
      throw new Error((REFUSED[answer.status] || `The server could not start a kernel (${answer.status}).`) + hint);
    }
    return answer.status === 204 ? null : answer.json();
  }

  function newSession(settings) {
    const page = location.pathname.split("/").pop().replace(/\W+/g, "-") || "page";
    const path = `${page}-${crypto.randomUUID().slice(0, 8)}.ipynb`; // its own, so that no two pages share a kernel
    const body = { name: path, path, type: "notebook", kernel: { name: settings.kernel } };
    return request(settings, "api/sessions", { method: "POST", body: JSON.stringify(body) });
  }

  function endSession(settings, model) {
    request(settings, `api/sessions/${model.id}`, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  // ---- the cells -------------------------------------------------------------------------------------------------
  function findCells() {
    const cells = [];
    for (const frame of document.querySelectorAll("div.cell")) {
      const input = frame.querySelector(".cell_input");
      const code = input?.querySelector("pre");
      if (!code) continue;
      const block = [...input.children].find((child) => child.contains(code));
      const original = code.textContent.replace(/\n$/, "");
      const number = cells.length + 1;
      const output = frame.querySelector(".cell_output");
      cells.push({ number, id: `layerlab-cell-${number}`, frame, block, output, original, replaced: false });
    }
    return cells;
  }

  function key(cell) {
    return `layerlab:${location.pathname}:${cell.number}:${cell.original}`;
  }

  function kept(cell) {
    try {
      return sessionStorage.getItem(key(cell)) ?? cell.original;
    } catch {
      return cell.original;
    }
  }

  function keep(cell, text) {
    try {
      if (text === cell.original) sessionStorage.removeItem(key(cell));
      else sessionStorage.setItem(key(cell), text);
    } catch {
      // a browser that stores nothing: the edit lives as long as the page
    }
    cell.resetButton.hidden = text === cell.original;
  }

  function openCells(thebe, core, settings) {
    const cells = findCells();
    const options = {
      mountRunButton: false,
      mountRunAllButton: false,
      mountRestartButton: false,
      mountRestartAllButton: false,
      codeMirrorConfig: { lineNumbers: false, viewportMargin: Infinity },
    };
    const config = core.makeConfiguration(
      {
        ...options,
        serverSettings: {
          baseUrl: settings.baseUrl,
          wsUrl: settings.baseUrl.replace(/^http/, "ws"),
          token: settings.token,
          appendToken: Boolean(settings.token),
        },
        kernelOptions: { kernelName: settings.kernel },
        savedSessionOptions: { enabled: false },
      },
      thebe.events,
    );
    const rendermime = core.makeRenderMimeRegistry(config.mathjax);
    const blocks = cells.map((cell) => ({ id: cell.id, source: kept(cell) }));
    const notebook = core.setupNotebookFromBlocks(blocks, config, rendermime);
    for (const cell of cells) {
      cell.liveOutput = document.createElement("div");
      cell.liveOutput.className = "layerlab-live-output";
      if (cell.output) cell.output.after(cell.liveOutput);
      else cell.frame.append(cell.liveOutput);
    }
    const items = cells.map((c) => ({ id: c.id, placeholders: { source: c.block, output: c.liveOutput } }));
    thebe.renderAllCells(options, notebook, items).forEach((item, index) => {
      const cell = cells[index];
      cell.thebe = notebook.getCellById(cell.id);
      cell.box = item.ui.cell;
      cell.editor = item.ui.editor.querySelector(".CodeMirror").CodeMirror;
      dressCell(cell);
    });
    return { cells, config, rendermime, notebook };
  }

  function dressCell(cell) {
    const controls = cell.box.querySelector(".thebe-controls");
    const make = (label, title, action) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "layerlab-cell-button";
      button.textContent = label;
      button.title = title;
      button.setAttribute("aria-label", `${label} code cell ${cell.number}`);
      button.addEventListener("click", action);
      controls.prepend(button);
      return button;
    };
    cell.resetButton = make("Reset", "Back to the code as the book has it", () => {
      cell.editor.setValue(cell.original);
      cell.runButton.focus();
    });
    cell.runButton = make("Run", "Run this cell (Ctrl+Enter)", () => enqueue(cell));
    const start = () => enqueue(cell);
    cell.editor.setOption("extraKeys", {
      ...cell.editor.getOption("extraKeys"),
      "Shift-Enter": start,
      "Ctrl-Enter": start,
      "Cmd-Enter": start,
      Esc: () => cell.runButton.focus(), // Tab indents, so there must be another way out of the editor
      Tab: (editor) => editor.execCommand(editor.somethingSelected() ? "indentMore" : "insertSoftTab"),
    });
    cell.editor.setOption("indentUnit", 4);
    cell.editor.setOption("lineWrapping", true);
    cell.editor.on("change", () => keep(cell, cell.editor.getValue()));
    const field = cell.editor.getInputField();
    field.setAttribute("aria-label", `Code cell ${cell.number}; Escape leaves the editor`);
    field.setAttribute("aria-multiline", "true");
    keep(cell, cell.thebe.source);
  }

  // What the book stored gives way to what the kernel says, but only once the kernel has said something; an
  // experiment's figures stay until its live widget is there, and stay if there is none.
  function swap(cell) {
    const widget = cell.liveOutput.querySelector(".jupyter-widgets");
    const something = cell.liveOutput.querySelector(".jp-OutputArea-child");
    if (widget) live.mark("widget");
    name(cell);
    if (something) cell.liveOutput.style.minHeight = "";
    if (!cell.output) return;
    if (!cell.output.querySelector("layerlab-replay")) {
      if (something || cell.ran) cell.output.hidden = true;
      return;
    }
    const coming = cell.thebe.outputs.some((output) => output.data?.[WIDGET]);
    if (widget || (cell.ran && !cell.failed && !coming)) cell.replaced = true;
    else if (cell.failed) cell.replaced = false;
    // a figure that waits for the reader's prediction is not given away by its live twin
    const veiled = Boolean(cell.output.querySelector(".ll-view--veiled"));
    setHidden(cell.output, cell.replaced && !veiled);
    setHidden(cell.liveOutput, cell.replaced && veiled);
  }

  // What Jupyter draws without a name gets one, for those who do not see it.
  function name(cell) {
    for (const image of cell.liveOutput.querySelectorAll("img:not([alt])")) image.alt = `Output of code cell ${cell.number}`;
    for (const handle of cell.liveOutput.querySelectorAll(".noUi-handle:not([aria-label])")) {
      const slider = handle.closest(".jupyter-widgets");
      const label = (slider.closest(".ll-live-control") || slider).querySelector(".widget-label");
      handle.setAttribute("aria-label", label?.textContent.trim() || slider.title || "value");
    }
  }

  function setHidden(element, hidden) {
    if (element.hidden !== hidden) element.hidden = hidden;
  }

  function closeCells(cells) {
    for (const cell of cells) {
      cell.watcher?.disconnect();
      if (cell.output) cell.output.hidden = false;
      cell.box.replaceWith(cell.block);
      cell.thebe.clear();
      cell.liveOutput.remove();
    }
  }

  // ---- running ---------------------------------------------------------------------------------------------------
  // Cells wait here, not in the kernel: a cell that fails must not cancel the one that a reader started after it.
  function enqueue(cell) {
    const mine = run;
    if (!mine?.session || mine.dead) return Promise.resolve();
    cell.box.classList.add("is-waiting");
    const turn = mine.turn;
    mine.queue = mine.queue.then(async () => {
      if (run === mine && mine.turn === turn && !mine.dead) await execute(mine, cell);
      cell.box.classList.remove("is-waiting");
    });
    return mine.queue;
  }

  async function execute(mine, cell) {
    cell.ran = cell.failed = false;
    cell.box.classList.replace("is-waiting", "is-running") || cell.box.classList.add("is-running");
    cell.liveOutput.style.minHeight = `${cell.liveOutput.offsetHeight}px`;
    cell.liveOutput.querySelector(".layerlab-cell-open")?.remove();
    const result = await cell.thebe.execute(cell.editor.getValue());
    if (run === mine && mine.dead) cell.thebe.clear();
    cell.box.classList.remove("is-running");
    const errors = result?.error || [];
    const open = asking && errors.some((error) => error.ename === "NotImplementedError");
    if (open) sayOpen(cell);
    cell.failed = errors.length > 0 && !open;
    cell.ran = Boolean(result);
    swap(cell);
    cell.liveOutput.style.minHeight = "";
  }

  // The place for an answer raises NotImplementedError; where nobody has answered yet, a traceback would help nobody.
  function sayOpen(cell) {
    cell.thebe.clear();
    const note = document.createElement("p");
    note.className = "layerlab-cell-open";
    note.textContent = "Waits for an answer that is not written yet (NotImplementedError).";
    cell.liveOutput.append(note);
  }

  async function runAll(mine) {
    mine.running = true;
    for (const cell of mine.cells) {
      if (run !== mine || mine.dead) return;
      mine.note = `Running cell ${cell.number} of ${mine.cells.length}…`;
      tell(mine);
      await enqueue(cell);
    }
    if (run !== mine || mine.dead) return;
    mine.note = "";
    mine.running = false;
    const failed = mine.cells.filter((cell) => cell.failed).map((cell) => cell.number);
    if (failed.length) mine.note = `Live; cell ${failed.join(", ")} ended with an error.`;
    live.mark("all");
    tell(mine);
  }

  // ---- what the page says ----------------------------------------------------------------------------------------
  function tell(mine) {
    if (run !== mine || mine.dead) return;
    if (mine.lost) live.show("dead", "The connection to the kernel is lost. Is the server still running?");
    else if (mine.busy || mine.running) live.show("busy", mine.note || "Busy…");
    else live.show("live", mine.note || "Live");
  }

  function watch(mine) {
    const kernel = mine.session.kernel;
    // A dead kernel's connection is disposed of before it could tell; one that Jupyter revives is empty, so dead too.
    kernel.disposed.connect(() => run === mine && died(mine));
    kernel.statusChanged.connect((_, status) => {
      if (run !== mine) return;
      if (status === "dead" || status === "autorestarting" || status === "terminating") died(mine);
      clearTimeout(mine.calm);
      if (status === "busy") mine.calm = setTimeout(() => ((mine.busy = true), tell(mine)), CALM);
      else if (mine.busy) (mine.busy = false), tell(mine);
    });
    kernel.connectionStatusChanged.connect((_, status) => {
      if (run !== mine || mine.dead) return;
      clearTimeout(mine.losing);
      if (status === "connected") (mine.lost = false), tell(mine);
      else mine.losing = setTimeout(() => ((mine.lost = true), tell(mine)), 2000);
    });
    for (const cell of mine.cells) {
      cell.watcher = new MutationObserver(() => swap(cell));
      cell.watcher.observe(cell.liveOutput, { childList: true, subtree: true });
      if (cell.output) cell.watcher.observe(cell.output, { attributeFilter: ["class"], subtree: true });
    }
  }

  function died(mine) {
    if (mine.dead) return;
    mine.dead = true;
    clearTimeout(mine.losing);
    for (const cell of mine.cells) {
      cell.watcher?.disconnect();
      if (!cell.output?.querySelector("layerlab-replay")) continue;
      cell.thebe.clear(); // a widget without its kernel answers nothing; the stored figures do
      cell.replaced = cell.output.hidden = false;
    }
    live.show("dead", "The kernel has died. The stored figures are back; Restart starts a fresh kernel.");
  }

  // ---- start, stop, restart --------------------------------------------------------------------------------------
  async function connect(mine) {
    const model = await mine.starting;
    if (run !== mine) return;
    live.mark("kernel");
    mine.server = window.thebeCore.api.connectToJupyter(mine.config);
    await mine.server.ready.catch((reason) => Promise.reject(new Error(String(reason))));
    mine.session = await mine.server.connectToExistingSession(model, mine.rendermime);
    if (run !== mine) return;
    mine.notebook.attachSession(mine.session);
    watch(mine);
    if (!mine.settings.own) await needLibrary(mine);
    live.mark("connected");
    await runAll(mine);
  }

  async function needLibrary(mine) {
    const reply = await mine.session.kernel.requestExecute({ code: "import layerlab", silent: true }).done;
    if (reply.content.status === "error")
      throw new Error("That kernel has no layerlab: install it where the server runs, then press Live again.");
  }

  function begin(settings) {
    const mine = { settings, cells: [], queue: Promise.resolve(), turn: 0, note: "" };
    mine.starting = newSession(settings);
    mine.starting.then(
      (model) => {
        mine.model = model;
        if (run !== mine) endSession(settings, model); // the reader changed their mind meanwhile
      },
      () => {}, // connect() waits for the same promise and reports it
    );
    run = mine;
    return mine;
  }

  function finish(mine) {
    clearTimeout(mine.calm);
    clearTimeout(mine.losing);
    // where the kernel died, our own server has forgotten the session; another one may have revived it
    if (mine.model && !(mine.dead && mine.settings.own)) endSession(mine.settings, mine.model);
    mine.session?.dispose();
    mine.server?.dispose();
  }

  async function guarded(mine, work) {
    try {
      await work();
    } catch (error) {
      if (run !== mine) return;
      live.stop();
      live.show("error", error.message);
    }
  }

  live.start = function (settings) {
    const mine = begin(settings);
    return guarded(mine, async () => {
      live.show("starting", "Loading the editor…");
      await Promise.all([live.load("vendor/thebe/thebe.css"), live.load("vendor/thebe/index.js")]);
      if (run !== mine) return;
      live.mark("scripts");
      Object.assign(mine, openCells(window.thebe, window.thebeCore.api, settings));
      live.mark("editors");
      live.show("starting", "Starting a kernel…");
      await connect(mine);
    });
  };

  live.stop = function () {
    const mine = run;
    run = null;
    if (mine) {
      finish(mine);
      closeCells(mine.cells);
    }
    live.show("off", "");
  };

  live.restart = function () {
    const old = run;
    if (!old) return Promise.resolve();
    run = null; // before the end of the old kernel can be taken for its death
    finish(old);
    const mine = begin(old.settings);
    const { cells, config, rendermime, notebook } = old;
    for (const cell of cells) {
      cell.watcher?.disconnect();
      cell.box.classList.remove("is-waiting", "is-running");
      cell.ran = cell.failed = false;
    }
    Object.assign(mine, { cells, config, rendermime, notebook });
    live.show("starting", "Starting a fresh kernel…");
    return guarded(mine, () => connect(mine));
  };

  live.interrupt = async function () {
    if (!run?.session || run.dead) return;
    run.turn += 1; // what waits is dropped
    await run.session.kernel.interrupt().catch(() => {});
  };

  window.addEventListener("pagehide", () => {
    if (run) live.stop();
  });
})();
