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
  // A formula that is wider than its column scrolls; then the keyboard must reach it. A column's width changes with the
  // window, and again when the lists beside it come and go: so each formula's own box is watched.
  const boxes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const scrolls = target.scrollWidth > target.clientWidth;
      for (const [name, value] of [["tabindex", 0], ["role", "group"], ["aria-label", "formula"]])
        if (scrolls) target.setAttribute(name, value);
        else target.removeAttribute(name);
    }
  });
  function reachable() {
    document.querySelectorAll("div.math").forEach((box) => boxes.observe(box));
  }
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
