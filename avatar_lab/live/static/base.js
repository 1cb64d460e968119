// Ground shared by all parts of the live page: numbers, small helpers, statistics.
//
// The parts are plain JavaScript without imports. widget.py joins them, in the order it lists, into the one ES
// module that the notebook loads: no build step, nothing from a network. Keep every name at the top level unique.
//
// Notebooks: 10 (real time), 11 (talk to it).

const FRAME_MS = 40; // 25 pictures a second
const VOICE_RATE = 16000; // samples a second, both ways
const CAMERA_SIDE = 320; // pixels of the square that the kernel sees
const CAMERA_QUALITY = 0.7;
const TICKS_IN_FLIGHT = 3; // pictures on their way; the credit comes back with `seen` or `lost`
const WANTS_IN_FLIGHT = 2;
const WATCHDOG_MS = 6000; // a kernel silent for so long is gone: the camera goes off
const HIDDEN_MS = 60000; // a tab hidden for so long ends its session
const CHART_MS = 10000;

/** Make an element: make("button", {class: "x", onclick: f}, "text", child). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A line icon; they are drawn here because nothing may come from elsewhere. */
function icon(name) {
  const paths = {
    camera: "M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5zM15 11l6-3.5v9L15 13",
    film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4",
    person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5",
    file: "M12 15V4M8 8l4-4 4 4M4 15v4.5h16V15",
    sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
    muted: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 10l5 5M21 10l-5 5",
    stop: "M7 7h10v10H7z",
    send: "M4 12h15M13 6l6 6-6 6",
    back: "M14.5 6l-6 6 6 6",
    next: "M9.5 6l6 6-6 6",
    wave: "M4 10.5v3M8 7v10M12 4.5v15M16 8v8M20 10.5v3",
  };
  const holder = make("span", { class: "avl-icon", "aria-hidden": "true" });
  const dot = '<circle cx="12" cy="12" r="5" fill="currentColor" stroke="none"/>';
  holder.innerHTML = `<svg viewBox="0 0 24 24">${name === "record" ? dot : `<path d="${paths[name]}"/>`}</svg>`;
  return holder;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function newId() {
  const bytes = new Uint8Array(8);
  (globalThis.crypto || { getRandomValues: (b) => b.forEach((_, i) => (b[i] = Math.random() * 256)) })
    .getRandomValues(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The value below which the given share of the numbers lies; NaN of nothing. */
function quantile(values, share) {
  if (!values.length) return NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** Numbers of the last few seconds, with their times. */
class Recent {
  constructor(window_ms, most = 4000) {
    this.window = window_ms;
    this.most = most;
    this.items = [];
  }
  push(value, at = performance.now()) {
    if (!Number.isFinite(value)) return;
    this.items.push({ at, value });
    if (this.items.length > this.most) this.items.splice(0, this.items.length - this.most);
  }
  fresh(now = performance.now()) {
    let stale = 0;
    while (stale < this.items.length && this.items[stale].at < now - this.window) stale += 1;
    if (stale) this.items.splice(0, stale);
    return this.items;
  }
  values() {
    return this.fresh().map((item) => item.value);
  }
  at(share) {
    return quantile(this.values(), share);
  }
}

/** Bytes as people read them. */
function bytesText(count) {
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}

function milliseconds(value) {
  return Number.isFinite(value) ? `${Math.round(value)}` : "–";
}

/** Where this page runs, because not every place lends its camera. */
function whereAmI() {
  const name = globalThis.location ? location.hostname : "";
  let host = "browser";
  if (globalThis.location && location.protocol === "vscode-webview:") host = "vscode";
  else if (/colab|googleusercontent/.test(name)) host = "colab";
  const camera = Boolean(globalThis.navigator && navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
  return { secure: globalThis.isSecureContext === true, camera, host };
}

/** Why the camera cannot be offered here, in one sentence, or "" where it can. */
function whyNoCamera(place) {
  if (place.host === "vscode") {
    return "VS Code does not lend its camera to notebooks. Open this notebook in JupyterLab to use yours.";
  }
  if (place.host === "colab") {
    return "In Colab the kernel runs on another machine, so your camera stays off. Run the notebook locally to use it.";
  }
  if (!place.secure) {
    return "This page did not come over https or from localhost, and browsers lend the camera only there.";
  }
  return place.camera ? "" : "This browser offers no camera to web pages.";
}

/** Turn the browser's error into a sentence that says what to do. */
function explainMedia(error, what) {
  const name = error && error.name ? error.name : String(error);
  const known = {
    NotAllowedError: `The ${what} was not allowed. Click the icon beside the address to allow it, then try again.`,
    NotFoundError: `No ${what} was found on this machine.`,
    NotReadableError: `The ${what} is in use by another program. Close that one, then try again.`,
    OverconstrainedError: `The ${what} cannot deliver what is needed here.`,
    SecurityError: `The browser forbids the ${what} on this page.`,
    AbortError: `The ${what} stopped before it had begun.`,
  };
  return { reason: name, text: known[name] || `The ${what} could not be opened (${name}).` };
}
