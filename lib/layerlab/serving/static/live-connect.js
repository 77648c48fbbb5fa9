// A page hosted as plain files has no kernel behind it: this dialog asks the reader for one.
(function () {
  "use strict";
  const live = window.layerlabLive;
  const REMEMBERED = "layerlab:server-address"; // the address only; a token is never stored

  function pageFacts() {
    try {
      return JSON.parse(document.getElementById("layerlab-page").textContent);
    } catch {
      return {};
    }
  }

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(attribute, "");
      else if (value !== false && value != null) made.setAttribute(attribute, value);
    }
    made.append(...children);
    return made;
  }

  function remembered(value) {
    try {
      if (value === undefined) return localStorage.getItem(REMEMBERED) || "";
      if (value) localStorage.setItem(REMEMBERED, value);
      else localStorage.removeItem(REMEMBERED);
    } catch {
      // a browser that stores nothing
    }
    return "";
  }

  // Address and token from what the reader typed or pasted (Jupyter prints addresses with ?token=...).
  function readAddress(text, token) {
    let url;
    try {
      url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
    } catch {
      throw new Error(`“${text}” is not an address. It looks like http://127.0.0.1:8888/`);
    }
    if (!/^https?:$/.test(url.protocol)) throw new Error("The address must begin with http:// or https://");
    const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
    if (location.protocol === "https:" && url.protocol === "http:" && !local)
      throw new Error("This page came over https, so the server's address must begin with https:// too.");
    const path = url.pathname.replace(/(lab|tree|notebooks)(\/.*)?$/, "").replace(/\/*$/, "/");
    return { baseUrl: url.origin + path, token: token || url.searchParams.get("token") || "", own: false };
  }

  async function reach(settings) {
    const headers = settings.token ? { Authorization: `token ${settings.token}` } : {};
    let answer;
    try {
      answer = await fetch(`${settings.baseUrl}api/kernelspecs`, { headers, credentials: "omit" });
    } catch {
      // Jupyter refuses a wrong token without the header that lets this page read the refusal; /api needs no token.
      const open = await fetch(`${settings.baseUrl}api`, { credentials: "omit" }).catch(() => null);
      if (open?.ok) throw new Error("The server did not accept the token.");
      throw new Error(
        `No answer from ${settings.baseUrl} that this page may read. Is the server running, ` +
          `and was it started with --ServerApp.allow_origin='${location.origin}'?`,
      );
    }
    if (answer.status === 401 || answer.status === 403) throw new Error("The server did not accept the token.");
    if (!answer.ok) throw new Error(`There is no Jupyter server at ${settings.baseUrl} (it answered ${answer.status}).`);
    const specs = await answer.json().catch(() => ({}));
    if (!specs.default) throw new Error(`What answers at ${settings.baseUrl} is not a Jupyter server.`);
    return { ...settings, kernel: specs.default };
  }

  function serverForm(dialog) {
    const address = element("input", {
      id: "layerlab-address",
      name: "address",
      required: true,
      autocomplete: "off",
      spellcheck: "false",
      inputmode: "url",
      placeholder: "http://127.0.0.1:8888/",
      "aria-describedby": "layerlab-server-hint",
    });
    address.value = remembered();
    const token = element("input", { id: "layerlab-token", name: "token", type: "password", autocomplete: "off" });
    const remember = element("input", { type: "checkbox", id: "layerlab-remember" });
    remember.checked = Boolean(address.value);
    const error = element("p", { class: "layerlab-dialog-error", role: "alert" });
    const connect = element("button", { type: "submit", class: "layerlab-dialog-main" }, "Connect");
    const command = `jupyter server --ServerApp.allow_origin='${location.origin}'`;
    const form = element(
      "form",
      { class: "layerlab-dialog-form", novalidate: true },
      element("h3", {}, "A Jupyter server of yours"),
      element(
        "p",
        { id: "layerlab-server-hint" },
        "It needs layerlab installed, and must let this page in. Start it with ",
        element("code", {}, command),
        " and paste the address that it prints.",
      ),
      element("label", { for: "layerlab-address" }, "Address"),
      address,
      element("label", { for: "layerlab-token" }, "Token (if it is not part of the address)"),
      token,
      element("label", { class: "layerlab-dialog-check" }, remember, "Remember the address, never the token"),
      error,
      connect,
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      error.textContent = "";
      connect.disabled = true;
      try {
        if (!address.value.trim()) throw new Error("Type the address of a Jupyter server.");
        const [settings] = await Promise.all([
          reach(readAddress(address.value.trim(), token.value.trim())),
          live.load("live-session.js"),
        ]);
        remembered(remember.checked ? settings.baseUrl : "");
        dialog.close();
        live.mark("click");
        live.start(settings);
      } catch (problem) {
        error.textContent = problem.message;
        address.focus();
      } finally {
        connect.disabled = false;
      }
    });
    return form;
  }

  function elsewhere(facts) {
    const links = [
      [facts.binder, "Open on Binder", "a free kernel in the cloud; it takes minutes to start"],
      [facts.hub, "Open on the hub", "with your account there"],
      [facts.notebook, "Download this page as a notebook", "for JupyterLab or Colab; it installs what it needs"],
    ].filter(([address]) => address);
    const list = links.map(([address, label, note]) => {
      const link = element("a", { href: new URL(address, location.href).href }, label);
      if (address === facts.notebook) link.setAttribute("download", "");
      return element("li", {}, link, `: ${note}`);
    });
    return list.length ? [element("h3", {}, "Or elsewhere"), element("ul", {}, ...list)] : [];
  }

  function build() {
    const facts = pageFacts();
    const dialog = element("dialog", { class: "layerlab-dialog", "aria-labelledby": "layerlab-dialog-title" });
    const close = element("button", { type: "button", class: "layerlab-dialog-close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => dialog.close());
    dialog.append(
      close,
      element("h2", { id: "layerlab-dialog-title" }, "Make this page live"),
      element(
        "p",
        {},
        "This page is hosted as plain files, so no kernel is behind it. Its figures replay stored runs; to run them " +
          "anew, or to edit the code, it needs a kernel. Served on your own machine (",
        element("code", {}, "make serve"),
        " in a copy of the book) it has one.",
      ),
      serverForm(dialog),
      ...elsewhere(facts),
    );
    document.body.append(dialog);
    return dialog;
  }

  let dialog = null;
  live.ask = function () {
    dialog ??= build();
    dialog.showModal(); // closing it gives the focus back to the button
    dialog.querySelector("#layerlab-address").focus();
  };
})();
