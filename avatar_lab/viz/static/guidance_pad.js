// Chapter 06: a pad of guidance weights. Each square is a pair (voice, user): films of one conversation, and what was
// measured over all of them. Films are sprites: frames side by side in one picture.

function sprite(source) {
  const image = new Image();
  image.src = source;
  return image;
}

function bar(label, colour) {
  const row = document.createElement("div"), name = document.createElement("span");
  const track = document.createElement("div"), fill = document.createElement("div"), value = document.createElement("span");
  row.style.cssText = "display:grid;grid-template-columns:64px 1fr 52px;gap:8px;align-items:center;margin:3px 0";
  track.style.cssText = "position:relative;height:12px;border-radius:6px;background:var(--jp-layout-color3,#8883);overflow:hidden";
  fill.style.cssText = `height:100%;border-radius:6px;background:${colour};transition:width .15s`;
  value.style.cssText = "font-variant-numeric:tabular-nums;text-align:right";
  name.textContent = label;
  track.append(fill);
  row.append(name, track, value);
  return { row, set(x, most) {
    fill.style.width = `${100 * Math.max(0, Math.min(1, x / most))}%`;
    value.textContent = Number.isFinite(x) ? x.toFixed(2) : "-";
  } };
}

export function render({ model, el }) {
  const voice = model.get("voice"), user = model.get("user"), lips = model.get("lips"), reaction = model.get("reaction");
  const frames = model.get("frames"), edge = model.get("edge"), fps = model.get("fps"), smiles = model.get("smiles");
  const userFilm = sprite(model.get("user_film")), films = model.get("films").map((row) => row.map(sprite));
  let at = { a: voice.length - 1, u: Math.min(2, user.length - 1) }, frame = 0, timer = null;

  const root = document.createElement("div");
  root.style.cssText = "display:flex;flex-wrap:wrap;gap:22px;align-items:flex-start;font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit)";
  el.append(root);

  const pad = document.createElement("div");
  pad.setAttribute("role", "grid");
  pad.setAttribute("aria-label", "Guidance weights: rows are the voice's, columns the user's");
  pad.style.cssText = `display:grid;grid-template-columns:auto repeat(${user.length},56px);gap:4px;align-items:center`;
  const cells = [];
  for (let a = voice.length - 1; a >= 0; a -= 1) {
    const head = document.createElement("span");
    head.textContent = `voice ${voice[a]}`;
    head.style.cssText = "font-size:11px;padding-right:4px";
    pad.append(head);
    user.forEach((_, u) => {
      const cell = document.createElement("button");
      cell.style.cssText = "height:56px;border-radius:8px;border:2px solid transparent;cursor:pointer;font:600 12px system-ui;color:#fff";
      cell.setAttribute("role", "gridcell");
      cell.setAttribute("aria-label", `voice ${voice[a]}, user ${user[u]}: lips ${lips[a][u]}, reaction ${reaction[a][u]}`);
      // Hue from the reaction (blue: none, orange: a person's), depth from the lips.
      const r = Math.max(0, Math.min(1.5, reaction[a][u] ?? 0)), depth = Math.max(0, lips[a][u]);
      cell.style.background = `hsl(${215 - 190 * Math.min(1, r)} ${30 + 40 * depth}% ${62 - 22 * depth}%)`;
      cell.textContent = reaction[a][u] === null ? "-" : reaction[a][u].toFixed(1);
      cell.addEventListener("click", () => choose(a, u, true));
      cell.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
        if (!step) return;
        event.preventDefault();
        choose(Math.max(0, Math.min(voice.length - 1, at.a + step[0])), Math.max(0, Math.min(user.length - 1, at.u + step[1])), true);
      });
      pad.append(cell);
      cells.push({ cell, a, u });
    });
  }
  pad.append(document.createElement("span"));
  user.forEach((w) => {
    const foot = document.createElement("span");
    foot.textContent = `user ${w}`;
    foot.style.cssText = "font-size:11px;text-align:center";
    pad.append(foot);
  });
  root.append(pad);

  const side = document.createElement("div");
  side.style.cssText = "min-width:300px;flex:1;max-width:420px";
  const stage = document.createElement("div");
  stage.style.cssText = "display:flex;gap:10px;margin-bottom:8px";
  const screens = ["user", "avatar"].map((name) => {
    const box = document.createElement("figure"), canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
    box.style.margin = 0;
    canvas.width = canvas.height = edge;
    canvas.style.cssText = "width:144px;height:144px;border-radius:10px;background:#8882;display:block";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `film of the ${name}`);
    caption.style.cssText = "font-size:11px;text-align:center;margin-top:2px";
    caption.textContent = name;
    box.append(canvas, caption);
    stage.append(box);
    return { canvas, caption };
  });
  const play = document.createElement("button");
  play.style.cssText = "padding:3px 12px;border-radius:6px;border:1px solid var(--jp-border-color1,#8886);background:none;color:inherit;cursor:pointer";
  const lipBar = bar("lips", "#4e79a7"), reactionBar = bar("reaction", "#f28e2b"), note = document.createElement("p");
  note.setAttribute("aria-live", "polite");
  note.style.cssText = "margin:6px 0";
  side.append(stage, lipBar.row, reactionBar.row, note, play);
  root.append(side);

  function paint() {
    [[screens[0], userFilm], [screens[1], films[at.a][at.u]]].forEach(([screen, film]) => {
      const c = screen.canvas.getContext("2d");
      if (film.complete && film.naturalWidth) c.drawImage(film, frame * edge, 0, edge, edge, 0, 0, edge, edge);
    });
    screens[0].caption.textContent = smiles[frame] ? "user smiles" : "user";
  }
  function choose(a, u, focus) {
    at = { a, u };
    cells.forEach((one) => {
      const on = one.a === a && one.u === u;
      one.cell.style.borderColor = on ? "var(--jp-ui-font-color0,#000)" : "transparent";
      one.cell.tabIndex = on ? 0 : -1;
      if (on && focus) one.cell.focus();
    });
    lipBar.set(lips[a][u], 1);
    reactionBar.set(reaction[a][u] ?? NaN, Math.max(1, ...reaction.flat().filter((x) => x !== null)));
    note.textContent = `Weights: voice ${voice[a]}, user ${user[u]}. A reaction of 1 is a person's.`;
    paint();
  }
  function run(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => { frame = (frame + 1) % frames; paint(); }, 1000 / fps) : null;
    play.textContent = on ? "pause" : "play";
  }
  play.addEventListener("click", () => run(timer === null));
  [userFilm, ...films.flat()].forEach((film) => film.addEventListener("load", paint));
  frame = Math.max(0, smiles.lastIndexOf(true));
  choose(at.a, at.u, false);
  run(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  return () => run(false);
}
export default { render };
