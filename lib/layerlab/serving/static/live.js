// The button "Live" in the page's bar. This file is all that a page loads of the live side until it is pressed:
// then the session (live-session.js) follows where a kernel server is behind the page, and the dialog that asks for
// one (live-connect.js) where the page is hosted as plain files.
(function () {
  "use strict";
  const base = new URL(".", document.currentScript.src).href;
  const version = new URL(document.currentScript.src).search;
  const loaded = new Map();

  function load(path) {
    if (!loaded.has(path)) {
      const sheet = path.endsWith(".css");
      const element = document.createElement(sheet ? "link" : "script");
      const promise = new Promise((resolve, reject) => {
        element.onload = resolve;
        element.onerror = () => {
          loaded.delete(path);
          element.remove();
          reject(new Error(`A part of this page could not be loaded (${path}).`));
        };
      });
      if (sheet) element.rel = "stylesheet";
      element[sheet ? "href" : "src"] = base + path + (path.startsWith("vendor/") ? "" : version);
      // Thebe's sheet goes first, so that the book's own rules win over what it says about every page.
      if (sheet && path.startsWith("vendor/")) document.head.prepend(element);
      else document.head.append(element);
      loaded.set(path, promise);
    }
    return loaded.get(path);
  }

  function mark(name) {
    const now = performance.now();
    performance.mark(`layerlab:${name}`);
    if (name === "click") window.layerlabTimings = { click: now };
    else if (window.layerlabTimings && !(name in window.layerlabTimings))
      window.layerlabTimings[name] = Math.round(now - window.layerlabTimings.click);
  }

  // State of the page: off, starting, live, busy, dead, error. One line of text says it, politely.
  function show(state, text) {
    live.state = state;
    status.dataset.state = state;
    if (status.textContent !== text) status.textContent = text;
    const on = state === "live" || state === "busy" || state === "dead";
    button.setAttribute("aria-pressed", String(on || state === "starting"));
    button.setAttribute("aria-busy", String(state === "starting"));
    button.title =
      on || state === "starting"
        ? "Stop the kernel and go back to the stored figures"
        : "Start a kernel: every figure can be rerun, every code cell edited";
    controls.hidden = !on;
    for (const control of controls.children) control.disabled = control.dataset.needs === "kernel" && state === "dead";
    document.documentElement.dataset.layerlabLive = state;
    document.dispatchEvent(new CustomEvent("layerlab:live", { detail: { state, text } }));
  }

  function control(label, title, action, needs) {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "ll-button";
    element.textContent = label;
    element.title = title;
    if (needs) element.dataset.needs = needs;
    element.addEventListener("click", action);
    return element;
  }

  async function press() {
    if (live.state !== "off" && live.state !== "error") {
      live.stop();
      return;
    }
    mark("click");
    try {
      if (window.layerlabServer) {
        show("starting", "Starting…");
        await Promise.all([load("live-session.js"), load("live.css")]);
        const { baseUrl, kernel } = window.layerlabServer;
        await live.start({ baseUrl: new URL(baseUrl, location.href).href, token: "", kernel, own: true });
      } else {
        await Promise.all([load("live-connect.js"), load("live.css")]);
        live.ask();
      }
    } catch (error) {
      show("error", error.message);
    }
  }

  const button = document.getElementById("layerlab-live");
  if (!button) return;
  const status = document.createElement("span");
  status.className = "layerlab-live-status";
  status.setAttribute("role", "status");
  const controls = document.createElement("span");
  controls.className = "layerlab-live-controls";
  controls.setAttribute("role", "group");
  controls.setAttribute("aria-label", "Kernel");
  const live = (window.layerlabLive = { base, load, mark, show, button, state: "off", stop() {} });
  controls.append(
    control("Interrupt", "Stop what the kernel is doing now", () => live.interrupt(), "kernel"),
    control("Restart", "Start a fresh kernel and run the page anew", () => live.restart()),
  );
  button.after(controls, status);
  button.addEventListener("click", press);
  show("off", "");
})();
