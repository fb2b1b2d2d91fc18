// Shows one of several views, chosen by sliders. Runs in the browser alone: no kernel, no network.
(function (figure) {
  const part = (name) => figure.querySelector(`[data-part="${name}"]`);
  const { controls, views, said, steps } = JSON.parse(part("content").textContent);
  const view = part("view");
  const bar = part("controls");
  bar.replaceChildren();
  bar.style.cssText = "display:flex;flex-wrap:wrap;gap:6px;align-items:center;margin:0 0 8px";
  let timer = null;
  // JupyterLab's own keys (arrows, Enter) must not act on the cell while one of these has the focus.
  const keepKeys = (element) => element.setAttribute("data-lm-suppress-shortcuts", "true");

  const sliders = controls.map(({ label, values, start }) => {
    const row = document.createElement("label");
    const slider = document.createElement("input");
    const shown = document.createElement("output");
    Object.assign(slider, { type: "range", min: 0, max: values.length - 1, step: 1 });
    slider.value = start;
    slider.setAttribute("aria-label", label);
    keepKeys(slider);
    row.style.cssText = "display:inline-flex;align-items:center;gap:8px;margin:0 12px 0 4px";
    slider.style.cssText = "width:clamp(120px,18vw,320px);accent-color:var(--jp-brand-color1,#1976d2)";
    shown.style.cssText = "font-weight:600;min-width:5ch";
    row.append(`${label} `, slider, shown);
    slider.addEventListener("input", () => { pause(); show(); });
    return { slider, shown, values, row };
  });

  function show() {
    let place = 0;
    for (const { slider, shown, values } of sliders) {
      place = place * values.length + Number(slider.value);
      shown.textContent = values[slider.value];
      slider.setAttribute("aria-valuetext", values[slider.value]);
    }
    view.innerHTML = views[place];
    part("said").textContent = said[place];
    // The page below must not jump up and down while one steps.
    view.style.minHeight = `${Math.max(parseFloat(view.style.minHeight) || 0, view.offsetHeight)}px`;
    for (const { button, stuck } of buttons) button.disabled = stuck();
  }

  const { slider } = sliders[0];
  const at = () => Number(slider.value);
  const last = controls[0].values.length - 1;
  const go = (step) => { slider.value = Math.min(last, Math.max(0, step)); show(); };

  function pause() {
    clearInterval(timer);
    timer = null;
    for (const { button, text } of buttons) button.textContent = text();
  }

  function play() {
    if (timer !== null) return pause();
    if (at() === last) go(0);
    timer = setInterval(() => {
      if (!figure.isConnected || at() === last) return pause();
      go(at() + 1);
    }, 1200);
    for (const { button, text } of buttons) button.textContent = text();
  }

  const actions = !steps ? [] : [
    [() => "First", () => { pause(); go(0); }, () => at() === 0],
    [() => "Back", () => { pause(); go(at() - 1); }, () => at() === 0],
    [() => (timer === null ? "Play" : "Pause"), play, () => false],
    [() => "Forward", () => { pause(); go(at() + 1); }, () => at() === last],
    [() => "Last", () => { pause(); go(last); }, () => at() === last],
  ];
  const buttons = actions.map(([text, act, isStuck]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text();
    button.style.cssText = "font:inherit;padding:4px 8px;min-width:5em;cursor:pointer;"
      + "color:var(--jp-ui-font-color1,#1a1a1a);background:var(--jp-layout-color2,#eee);"
      + "border:1px solid var(--jp-border-color0,#767676);border-radius:4px";
    button.addEventListener("click", act);
    keepKeys(button);
    bar.append(button);
    // A button that has the focus keeps it: a disabled one would lose it to the page.
    const stuck = () => isStuck() && button !== document.activeElement;
    return { button, text, stuck };
  });
  bar.append(...sliders.map(({ row }) => row));
  show();
})(document.currentScript.closest("figure"));
