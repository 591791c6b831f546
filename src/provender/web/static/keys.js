/* Keys, copying, drawings begun where they are about; every page works without. "/" search, j and k from one thing to the next,
   a letter for each [data-key] link or button, those within [data-keys] while that has the focus, arrows into suggestions, Escape out of them. */
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const typing = (element) => element.matches("input, textarea, select, [contenteditable]");
  const searchBox = () => document.querySelector("#q") || document.querySelector("#top-q");

  function step(selector, by) {
    const stops = all(selector);
    const at = stops.indexOf(document.activeElement);
    const next = stops[at < 0 ? (by > 0 ? 0 : stops.length - 1) : at + by];
    if (next) next.focus();
    return Boolean(next);
  }

  function keyed(key, own) {
    const named = `[data-key="${key}"]`;
    return (own && own.querySelector(named)) || document.querySelector(`${named}:not([data-keys] *)`);
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
    const { key, target } = event;
    const suggesting = target.closest(".topsearch");
    if (suggesting && key === "ArrowDown") return step("#suggestions a", 1);
    if (suggesting && key === "ArrowUp") return step("#suggestions a", -1);
    if (suggesting && key === "Escape") {
      document.querySelector("#suggestions").replaceChildren();
      document.querySelector("#top-q").focus();
      return true;
    }
    if (typing(target)) return false;
    if (key === "/" && searchBox()) {
      searchBox().focus();
      searchBox().select();
      return true;
    }
    if (key === "j") return step("[data-stop]", 1);
    if (key === "k") return step("[data-stop]", -1);
    const link = /^[a-z]$/.test(key) && keyed(key, target.closest("[data-keys]"));
    if (link) link.click();
    return Boolean(link);
  }

  function offerCopy(block) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
    block.append(button);
  }

  function showFocus(drawing) {
    const focus = drawing.querySelector(".focus");
    if (!focus) return;
    const [at, within] = [focus.getBoundingClientRect(), drawing.getBoundingClientRect()];
    drawing.scrollLeft += at.left + at.width / 2 - within.left - within.width / 2;
  }

  all(".drawing").forEach(showFocus);
  document.addEventListener("keydown", (event) => { if (pressed(event)) event.preventDefault(); });
  if (navigator.clipboard) all(".copyable").forEach(offerCopy);
})();
