// Thebe's renderer speaks to MathJax 2 through MathJax.Hub. This lets it use the MathJax 3 of the page instead.
(function () {
  const here = document.currentScript.src;
  function ready() {
    if (!window.MathJax?.loader) {
      const script = document.createElement("script");
      script.src = new URL("../../layerlab-mathjax.js", here).href;
      return new Promise((resolve, reject) => {
        script.onload = resolve;
        script.onerror = reject;
        document.head.append(script);
      }).then(settled);
    }
    return settled();
  }
  function settled() {
    const started = window.MathJax.startup?.promise;
    return started || new Promise((resolve) => setTimeout(resolve, 50)).then(settled);
  }
  const waiting = ready();
  window.MathJax = window.MathJax || {};
  const hub = {
    Config() {},
    Configured() {},
    Register: { StartupHook: (_, action) => action() },
    Queue(...actions) {
      for (const action of actions) {
        if (typeof action === "function") action();
        else if (action[0] === "Typeset") typeset(action[2]);
      }
    },
  };
  function typeset(element) {
    element.classList.add("mathjax_process");
    waiting.then(() => window.MathJax.typesetPromise([element]));
  }
  const attach = () => Object.assign(window.MathJax, { Hub: hub, Ajax: {}, InputJax: { TeX: { resetEquationNumbers() {} } } });
  attach();
  waiting.then(attach);
})();
