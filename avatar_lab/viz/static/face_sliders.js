// Chapter 01: a face in eighteen numbers. Choose one, drag it, and see what it does to two people.

const BLUE = "#4a90d9";

export function render({ model, el }) {
  const names = model.get("names"), units = model.get("units"), meanings = model.get("meanings"), values = model.get("values");
  const rest = model.get("rest"), edge = model.get("edge"), people = model.get("people"), SHOWN = 150;
  let k = Math.max(0, names.indexOf("smile")), at = values[k].length - 1;
  const root = document.createElement("div");
  root.style.cssText = "display:flex;flex-wrap:wrap;gap:14px 26px;align-items:flex-start;font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:760px";
  el.append(root);

  const stage = document.createElement("div"), side = document.createElement("div");
  side.style.cssText = "flex:1;min-width:260px";
  root.append(stage, side);
  const faces = document.createElement("div"), line = document.createElement("div"), drag = document.createElement("input");
  faces.style.cssText = "display:flex;gap:10px";
  const screens = Array.from({ length: people }, (_, i) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 2 * SHOWN;
    canvas.style.cssText = `width:${SHOWN}px;height:${SHOWN}px;border-radius:10px;background:#8882`;
    canvas.setAttribute("role", "img");
    faces.append(canvas);
    return canvas;
  });
  line.style.cssText = "display:flex;gap:10px;align-items:center;margin-top:8px";
  Object.assign(drag, { type: "range", min: 0, max: values[0].length - 1, step: 1, value: at });
  drag.style.cssText = "flex:1;min-width:120px";
  const value = document.createElement("output");
  value.style.cssText = "min-width:74px;font-variant-numeric:tabular-nums;text-align:right";
  line.append(drag, value);
  stage.append(faces, line);

  const list = document.createElement("div"), meaning = document.createElement("p");
  list.setAttribute("role", "radiogroup");
  list.setAttribute("aria-label", "face parameters");
  list.style.cssText = "display:flex;flex-wrap:wrap;gap:5px";
  meaning.setAttribute("aria-live", "polite");
  meaning.style.cssText = "margin:10px 0 0;min-height:2.6em";
  side.append(list, meaning);
  const buttons = names.map((name, i) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.setAttribute("role", "radio");
    button.style.cssText = "padding:3px 9px;border-radius:12px;border:1px solid #8887;font:12px system-ui,sans-serif;cursor:pointer";
    button.addEventListener("click", () => choose(i, false));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      choose((k + step + names.length) % names.length, true);
    });
    list.append(button);
    return button;
  });
  const images = model.get("films").map((source) => {
    const image = new Image();
    image.addEventListener("load", () => paint());
    image.src = source;
    return image;
  });
  function paint() {
    const image = images[k], now = values[k][at], unit = units[k] === "0-1" ? "" : ` ${units[k]}`;
    value.textContent = `${now > 0 && values[k][0] < 0 ? "+" : ""}${Number(now.toFixed(2))}${unit}`.replace("-", "\u2212");
    drag.setAttribute("aria-valuetext", `${names[k]} ${value.textContent}`);
    screens.forEach((canvas, i) => canvas.setAttribute("aria-label", `person ${i + 1}, ${names[k]} ${value.textContent}`));
    if (!image || !image.complete || !image.naturalWidth) return;
    screens.forEach((canvas, i) => {
      const c = canvas.getContext("2d");
      c.imageSmoothingQuality = "high";
      c.drawImage(image, at * edge + 1, i * edge + 1, edge - 2, edge - 2, 0, 0, canvas.width, canvas.height); // not the neighbours' edges
    });
  }
  function choose(next, focus) {
    k = next;
    // Show what it does at once: the end that lies farther from rest.
    at = rest[k] * 2 > values[k].length - 1 ? 0 : values[k].length - 1;
    drag.value = at;
    drag.setAttribute("aria-label", names[k]);
    meaning.textContent = `${names[k]}: ${meanings[k]}.`;
    buttons.forEach((button, i) => {
      const on = i === k;
      button.style.background = on ? BLUE : "transparent";
      button.style.color = on ? "#fff" : "inherit";
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
      if (on && focus) button.focus();
    });
    paint();
  }
  drag.addEventListener("input", () => { at = Number(drag.value); paint(); });
  choose(k, false);
  return () => {};
}
export default { render };
