// MathJax as this book uses it: the served copy, only the parts that a page needs, no menu, nothing fetched elsewhere.
(function () {
  const base = new URL("vendor/mathjax", document.currentScript.src).href;
  const given = window.MathJax || {};
  window.MathJax = {
    ...given,
    loader: { paths: { mathjax: base }, load: ["core", "input/tex", "output/chtml", "a11y/assistive-mml"] },
    tex: { inlineMath: [["\\(", "\\)"], ["$", "$"]], processEscapes: true, tags: "none", ...given.tex },
    chtml: { fontURL: base + "/output/chtml/fonts/woff-v2", ...given.chtml },
    options: { ...given.options },
    startup: {
      ...given.startup,
      pageReady: () => window.MathJax.startup.defaultPageReady().then(measured).then(reachable),
    },
  };
  // A formula that is wider than its column scrolls; then the keyboard must reach it.
  function reachable() {
    for (const box of document.querySelectorAll("div.math")) {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", "formula");
      } else box.removeAttribute("tabindex");
    }
  }
  addEventListener("resize", reachable);
  // On paper nothing scrolls: a formula that is too wide is set smaller (book.css), by its width in its own type size.
  function measured() {
    for (const formula of document.querySelectorAll('div.math mjx-container[display="true"]')) {
      const width = formula.querySelector("mjx-math").getBoundingClientRect().width;
      formula.style.setProperty("--ll-ems", width / parseFloat(getComputedStyle(formula).fontSize));
    }
  }
  const script = document.createElement("script");
  script.src = base + "/startup.js";
  document.head.append(script);
})();
