// Camera and microphone: what leaves the page, and how it is let go again.
//
// Peculiar: a picture is stamped with the time at which the camera took it, where the browser tells; sound is
// brought to 16 kHz int16 in an AudioWorklet that is loaded from a Blob, so that no second file is needed.

/** Runs in the audio thread: mixes to mono, low-passes and resamples with a windowed sinc, posts 10 ms at a time. */
const WORKLET = `
class ToSixteen extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / 16000;
    this.half = Math.ceil(8 * this.step);
    this.past = new Float32Array(0);
    this.at = this.half;
    this.out = new Int16Array(160);
    this.filled = 0;
    const cut = Math.min(1, 1 / this.step) * 0.94;
    this.kernel = new Float32Array(2 * this.half * 32 + 33);
    for (let i = 0; i < this.kernel.length; i += 1) {
      const x = i / 32 - this.half;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cut * x) / (Math.PI * cut * x);
      const w = 0.5 + 0.5 * Math.cos(Math.PI * x / (this.half + 1));
      this.kernel[i] = Math.abs(x) > this.half ? 0 : cut * sinc * w;
    }
  }
  process(inputs) {
    const channels = inputs[0];
    if (!channels || !channels.length) return true;
    const n = channels[0].length;
    const all = new Float32Array(this.past.length + n);
    all.set(this.past);
    for (const channel of channels) for (let i = 0; i < n; i += 1) all[this.past.length + i] += channel[i] / channels.length;
    while (this.at + this.half < all.length) {
      const centre = Math.floor(this.at);
      const part = this.at - centre;
      let sum = 0;
      for (let k = -this.half + 1; k <= this.half; k += 1) {
        sum += all[centre + k] * this.kernel[Math.round((k - part + this.half) * 32)];
      }
      this.out[this.filled] = Math.max(-1, Math.min(1, sum)) * 32767;
      this.filled += 1;
      if (this.filled === 160) {
        this.port.postMessage(this.out.slice());
        this.filled = 0;
      }
      this.at += this.step;
    }
    const drop = Math.max(0, Math.floor(this.at) - this.half);
    this.past = all.slice(drop);
    this.at -= drop;
    return true;
  }
}
registerProcessor("to-sixteen", ToSixteen);
`;

/** Runs in a worker: squares and packs a picture at once. In the page, browsers pack only when they have nothing else to do. */
const PACKER = `
let canvas = null;
onmessage = async ({ data: { frame, side, quality } }) => {
  canvas = canvas || new OffscreenCanvas(side, side);
  const edge = Math.min(frame.displayWidth, frame.displayHeight);
  const left = (frame.displayWidth - edge) / 2;
  const top = (frame.displayHeight - edge) / 2;
  canvas.getContext("2d", { alpha: false }).drawImage(frame, left, top, edge, edge, 0, 0, side, side);
  frame.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
  const jpeg = await blob.arrayBuffer();
  postMessage(jpeg, [jpeg]);
};
`;

/** Make a worker of a text, or null where the page may not have one. */
function workerOf(text) {
  if (!globalThis.Worker || !globalThis.VideoFrame || !globalThis.OffscreenCanvas) return null;
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return new Worker(address);
  } catch (error) {
    return null; // the page forbids it
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** The camera: `open`, `grab` a JPEG with its time, `close`. */
class Camera {
  constructor(video) {
    this.video = video;
    this.stream = null;
    this.canvas = null;
    this.newest = null; // {captured, number} of the picture that the video shows
    this.taken = 0;
    this.handle = 0;
    this.packer = this.packed = null;
  }

  async open() {
    this.stream = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25 }, facingMode: "user" },
      audio: false,
    });
    this.video.srcObject = this.stream;
    this.video.muted = true;
    await this.video.play();
    this.canvas = globalThis.OffscreenCanvas
      ? new OffscreenCanvas(CAMERA_SIDE, CAMERA_SIDE)
      : make("canvas", { width: CAMERA_SIDE, height: CAMERA_SIDE });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.packer = workerOf(PACKER);
    if (this.packer) this.packer.onerror = () => this.pageMustPack();
    this.watch();
  }

  /** Follow the video's pictures, so that each is sent once and carries the time it was taken. */
  watch() {
    if (!this.video.requestVideoFrameCallback) return;
    const next = (now, about) => {
      const taken = about.captureTime > 0 && about.captureTime <= now ? about.captureTime : now;
      this.newest = { captured: taken, number: about.presentedFrames, seen: performance.now() };
      this.handle = this.video.requestVideoFrameCallback(next);
    };
    this.handle = this.video.requestVideoFrameCallback(next);
  }

  /** The newest picture as JPEG, or null when there is none that was not sent before. */
  async grab() {
    const now = performance.now();
    if (!this.video.videoWidth) return null;
    let captured = now;
    if (this.newest && now - this.newest.seen < 250) {
      if (this.newest.number === this.taken) return null;
      this.taken = this.newest.number;
      captured = this.newest.captured;
    }
    const jpeg = this.packer ? await this.packAside() : await this.packHere();
    return jpeg ? { jpeg, captured } : null;
  }

  packAside() {
    const frame = new VideoFrame(this.video, { timestamp: 0 });
    return new Promise((done) => {
      this.packed = done;
      this.packer.onmessage = (message) => done(message.data);
      this.packer.postMessage({ frame, side: CAMERA_SIDE, quality: CAMERA_QUALITY }, [frame]);
    });
  }

  async packHere() {
    const { videoWidth: w, videoHeight: h } = this.video;
    const side = Math.min(w, h);
    this.context.drawImage(this.video, (w - side) / 2, (h - side) / 2, side, side, 0, 0, CAMERA_SIDE, CAMERA_SIDE);
    const blob = this.canvas.convertToBlob
      ? await this.canvas.convertToBlob({ type: "image/jpeg", quality: CAMERA_QUALITY })
      : await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", CAMERA_QUALITY));
    return blob ? blob.arrayBuffer() : null;
  }

  /** The worker failed: from now on the page packs, and whoever waits for a picture gets none. */
  pageMustPack() {
    if (this.packer) this.packer.terminate();
    this.packer = null;
    if (this.packed) this.packed(null);
    this.packed = null;
  }

  close() {
    if (this.handle && this.video.cancelVideoFrameCallback) this.video.cancelVideoFrameCallback(this.handle);
    for (const track of this.stream ? this.stream.getTracks() : []) track.stop();
    this.pageMustPack();
    this.stream = null;
    this.newest = null;
    this.video.srcObject = null;
  }
}

/** The microphone: `open`, `take` what was heard since the last time, `close`. */
class Microphone {
  constructor() {
    this.stream = null;
    this.context = null;
    this.chunks = [];
    this.samples = 0;
    this.skipped = 0;
  }

  async open(cancelEcho) {
    this.stream = await navigator.mediaDevices.getUserMedia({
      // Automatic gain would lift the silence of a room until the mouth babbles.
      audio: { echoCancellation: cancelEcho, noiseSuppression: cancelEcho, autoGainControl: false },
      video: false,
    });
    this.context = new AudioContext();
    const address = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    try {
      await this.context.audioWorklet.addModule(address);
    } finally {
      URL.revokeObjectURL(address);
    }
    if (!this.stream) return; // closed meanwhile
    this.node = new AudioWorkletNode(this.context, "to-sixteen", { numberOfOutputs: 0 });
    this.node.port.onmessage = (message) => this.hear(message.data);
    this.source = this.context.createMediaStreamSource(this.stream);
    this.source.connect(this.node);
    await this.context.resume();
  }

  hear(chunk) {
    this.chunks.push(chunk);
    this.samples += chunk.length;
    while (this.samples > VOICE_RATE) {
      // More than a second waits: the kernel is slow, and old sound is worth nothing.
      const old = this.chunks.shift();
      this.samples -= old.length;
      this.skipped += old.length;
    }
  }

  take() {
    const sound = new Int16Array(this.samples);
    let at = 0;
    for (const chunk of this.chunks) {
      sound.set(chunk, at);
      at += chunk.length;
    }
    this.chunks = [];
    this.samples = 0;
    return sound;
  }

  close() {
    if (this.source) this.source.disconnect();
    if (this.node) this.node.port.onmessage = null;
    for (const track of this.stream ? this.stream.getTracks() : []) track.stop();
    if (this.context && this.context.state !== "closed") this.context.close().catch(() => {});
    this.stream = this.context = this.node = this.source = null;
    this.chunks = [];
    this.samples = 0;
  }
}
