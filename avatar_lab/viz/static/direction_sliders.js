// Chapter 02: one motion direction at a time, dragged from -3 to 3 standard deviations, on a few people.

export function render({ model, el }) {
  const films = model.get("films"), meanings = model.get("meanings"), reach = model.get("reach");
  const edge = model.get("edge"), people = model.get("people"), SHOWN = 160;
  let k = 0, at = (reach.length - 1) / 2;
  const root = document.createElement("div");
  root.style.cssText = "font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:720px";
  el.append(root);
  const line = document.createElement("div");
  line.style.cssText = "display:flex;flex-wrap:wrap;gap:8px 20px;align-items:center;margin:4px 0 10px";
  root.append(line);
  const pick = document.createElement("select"), pickBox = document.createElement("label");
  meanings.forEach((meaning, i) => pick.append(new Option(`${i + 1}: ${meaning}`, i)));
  pickBox.append("direction ", pick);
  const drag = document.createElement("input"), dragBox = document.createElement("label"), value = document.createElement("span");
  Object.assign(drag, { type: "range", min: 0, max: reach.length - 1, step: 1, value: at });
  drag.style.width = "240px";
  value.style.cssText = "min-width:48px;font-variant-numeric:tabular-nums;display:inline-block";
  dragBox.style.cssText = "display:flex;gap:8px;align-items:center";
  dragBox.append("coefficient", drag, value);
  line.append(pickBox, dragBox);
  const stage = document.createElement("div");
  stage.style.cssText = "display:flex;gap:12px";
  root.append(stage);
  const screens = Array.from({ length: people }, (_, i) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SHOWN;
    canvas.style.cssText = `width:${SHOWN}px;height:${SHOWN}px;border-radius:10px;background:#8882`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `person ${i + 1}`);
    stage.append(canvas);
    return canvas;
  });
  const images = films.map((source) => {
    const image = new Image();
    image.src = source;
    image.addEventListener("load", paint);
    return image;
  });
  function paint() {
    const image = images[k];
    value.textContent = `${reach[at] > 0 ? "+" : ""}${reach[at].toFixed(2)}`;
    if (!image || !image.complete || !image.naturalWidth) return;
    screens.forEach((canvas, i) => {
      const c = canvas.getContext("2d");
      c.imageSmoothingQuality = "high";
      c.drawImage(image, at * edge, i * edge, edge, edge, 0, 0, SHOWN, SHOWN);
    });
  }
  pick.addEventListener("change", () => { k = Number(pick.value); paint(); });
  drag.addEventListener("input", () => { at = Number(drag.value); paint(); });
  at = reach.length - 1;
  drag.value = at;
  paint();
  return () => {};
}
export default { render };
