// The avatar's voice and picture on one clock, and the pull that keeps the delay short.
//
// The clock of the sound is master: block after block of voice is laid seamlessly on the AudioContext's time line,
// and a picture is shown when its sound is heard. The page asks for the next block only when what is left to play
// falls below `lead`: the time that a block has lately taken to come, and a margin. So nothing can pile up. After a
// stall the next block already looks at the present and is played at once; when the network calms down, `lead`
// shrinks, the page asks later, and the delay is back, without skipping or stretching a syllable.

const MARGIN_MS = 30; // beyond the time a block takes to come
const MARGIN_MOST_MS = 90;
const SHOW_EARLY_MS = 25; // pictures a little before their sound: people forgive +45 / -125 ms
const REFRESH_MS = 12; // a picture is drawn at the screen's next refresh
const COMING_S = 0.12;
const FADE_S = 0.02; // a voice that is cut off ends within this

/** Seconds on the sound card's clock; on the page's clock where no sound can be played. */
class MediaClock {
  constructor() {
    this.context = null;
    this.base = performance.now();
    this.sounding = false;
  }

  async open() {
    const Context = globalThis.AudioContext || globalThis.webkitAudioContext;
    if (!Context) return;
    this.context = new Context({ sampleRate: VOICE_RATE, latencyHint: "interactive" });
    const before = this.context.currentTime;
    await Promise.race([this.context.resume(), new Promise((done) => setTimeout(done, 400))]);
    for (let i = 0; i < 12 && this.context && this.context.currentTime <= before; i += 1) {
      await new Promise((done) => setTimeout(done, 50));
    }
    this.sounding = Boolean(this.context) && this.context.currentTime > before;
  }

  now() {
    return this.sounding ? this.context.currentTime : (performance.now() - this.base) / 1000;
  }

  /** The moment on the time line that comes out of the loudspeaker now. */
  heard() {
    const now = this.now();
    if (!this.sounding) return now;
    const stamp = this.context.getOutputTimestamp ? this.context.getOutputTimestamp() : null;
    if (stamp && stamp.performanceTime > 0) {
      const out = stamp.contextTime + (performance.now() - stamp.performanceTime) / 1000;
      if (out <= now && out > now - 0.5) return out;
    }
    return now - (this.context.outputLatency || this.context.baseLatency || 0);
  }

  close() {
    if (this.context && this.context.state !== "closed") this.context.close().catch(() => {});
    this.context = null;
    this.sounding = false;
  }
}

class Player {
  /** `ask(seq, buffered_ms)` sends a want; `drawn(block, at)` is told of the first picture of each block. */
  constructor(canvas, ask, drawn) {
    this.canvas = canvas;
    this.paper = canvas.getContext("2d", { alpha: false });
    this.ask = ask;
    this.drawn = drawn;
    this.clock = new MediaClock();
    this.shown = new Recent(2000);
    this.offset = new Recent(600000, 20000);
    this.taken = new Recent(4000); // ms that blocks took to come
    this.counts = { blocks: 0, frames: 0, late: 0, underruns: 0, cuts: 0 };
    this.reset();
  }

  reset() {
    this.block_ms = 200;
    this.queue = [];
    this.sources = new Set();
    this.wanted = new Map(); // seq -> time of asking
    this.next = 0; // number of the next block to ask for
    this.end = 0; // where the voice that is laid out ends
    this.margin = MARGIN_MS;
    this.last_arrival = 0;
    this.silent_before = 0; // blocks below this number keep quiet: the user has cut in
    this.starved = false;
    this.running = false;
    this.line = Promise.resolve(); // messages are worked off in turn
    this.quiet = false;
    this.face = null;
  }

  async start(block_ms) {
    await this.clock.open();
    this.block_ms = block_ms;
    if (this.clock.sounding) this.renewGain();
    this.end = this.clock.now();
    this.running = true;
    this.pump = setInterval(() => this.wantMore(), 8);
    this.follow();
  }

  /** Look at the queue again when its next picture is due: a screen that refreshes for nothing costs time. */
  follow() {
    if (!this.running) return;
    this.show();
    const next = this.queue.length ? this.queue[0].at : this.end;
    const left = (next - this.clock.heard()) * 1000 - SHOW_EARLY_MS - REFRESH_MS;
    const again = () => (this.frame = requestAnimationFrame(() => this.follow()));
    if (left > 0) this.waiting = setTimeout(again, Math.min(left, FRAME_MS));
    else again();
  }

  renewGain() {
    this.gain = this.clock.context.createGain();
    this.gain.gain.value = this.quiet ? 0 : 1;
    this.gain.connect(this.clock.context.destination);
  }

  /** Milliseconds of avatar that are here and not played yet. */
  buffered() {
    return Math.max(0, (this.end - this.clock.now()) * 1000);
  }

  /** How much must be left to play when the next block is asked for. */
  lead() {
    // A mirror comes picture by picture, without a voice: no gap can be heard, and waiting would only make it late.
    if (this.block_ms <= FRAME_MS) return FRAME_MS;
    const usual = this.taken.at(0.8);
    return clamp((Number.isFinite(usual) ? usual : 120) + this.margin, 45, 1500);
  }

  wantMore() {
    const now = performance.now();
    for (const [seq, at] of this.wanted) if (now - at > 8000) this.wanted.delete(seq); // lost on the way
    if (!this.running || this.paused || this.wanted.size >= WANTS_IN_FLIGHT) return;
    const buffered = this.buffered();
    if (buffered <= 0 && !this.starved && this.counts.blocks) {
      this.starved = true;
      this.counts.underruns += 1;
      this.margin = Math.min(MARGIN_MOST_MS, this.margin + 10);
    }
    if (buffered + this.wanted.size * this.block_ms >= this.lead()) return;
    this.wanted.set(this.next, now);
    this.ask(this.next, buffered);
    this.next += 1;
  }

  /** Take in one block: int16 sound, and JPEGs of its first frames; `more` brings the others. In turn, as they come. */
  take(message, pictures, sound) {
    const arrived = performance.now();
    const asked = this.wanted.get(message.seq);
    this.wanted.delete(message.seq);
    if (asked !== undefined) this.taken.push(arrived - Math.max(asked, this.last_arrival), arrived);
    this.last_arrival = arrived;
    this.margin = Math.max(MARGIN_MS, this.margin - 0.5);
    this.inTurn(() => this.add(message, pictures, sound, arrived));
  }

  more(message, pictures) {
    this.last_arrival = performance.now(); // only now can the kernel turn to the next block
    this.inTurn(() => this.complete(message, pictures));
  }

  /** Do this after what came before; a message that fails must not stop those behind it. */
  inTurn(work) {
    this.line = this.line.then(work).catch((error) => console.error(error));
  }

  decode(pictures) {
    const bitmap = (jpeg) => createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
    return Promise.all(pictures.map(bitmap));
  }

  closeAll(bitmaps) {
    for (const bitmap of bitmaps) if (bitmap) bitmap.close();
  }

  async add(message, pictures, sound, arrived) {
    this.block_ms = message.frames * FRAME_MS; // a pyramid comes in smaller pieces
    const bitmaps = await this.decode(pictures);
    if (!this.running) return this.closeAll(bitmaps);
    const now = this.clock.now();
    const begin = Math.max(this.end, now + 0.01);
    const block = { message, arrived, begin, told: false, fresh: this.starved };
    this.starved = false;
    this.end = begin + (message.frames * FRAME_MS) / 1000;
    this.lay(sound, begin, message.seq < this.silent_before);
    for (let index = 0; index < message.frames; index += message.every) {
      const picture = index / message.every;
      const coming = picture >= bitmaps.length;
      this.queue.push({ at: begin + (index * FRAME_MS) / 1000, bitmap: bitmaps[picture] || null, coming, picture, block });
    }
    this.counts.blocks += 1;
  }

  /** Put the rest of a block's pictures where they belong; one whose time is over is let go. */
  async complete(message, pictures) {
    const bitmaps = await this.decode(pictures);
    const frames = this.queue.filter((frame) => frame.block.message.seq === message.seq && frame.coming);
    for (const frame of frames) {
      const at = frame.picture - frame.block.message.pictures;
      frame.bitmap = bitmaps[at] || null;
      frame.coming = false;
      bitmaps[at] = null;
    }
    this.closeAll(bitmaps);
  }

  lay(sound, begin, quiet) {
    if (!this.clock.sounding || quiet || !sound || !sound.length) return;
    const context = this.clock.context;
    const buffer = context.createBuffer(1, sound.length, VOICE_RATE);
    const line = buffer.getChannelData(0);
    for (let i = 0; i < sound.length; i += 1) line[i] = sound[i] / 32768;
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.gain);
    source.onended = () => this.sources.delete(source);
    source.start(begin);
    this.sources.add(source);
  }

  /** The user cut in: no more sound from what was made before, within 20 ms; the face goes on. */
  cut() {
    this.counts.cuts += 1;
    this.silent_before = this.next;
    if (!this.clock.sounding) return;
    const { gain } = this.gain;
    const now = this.clock.context.currentTime;
    gain.cancelScheduledValues(now);
    gain.setValueAtTime(gain.value, now);
    gain.linearRampToValueAtTime(0, now + FADE_S);
    for (const source of this.sources) source.stop(now + FADE_S + 0.01);
    this.renewGain();
  }

  mute(on) {
    this.quiet = on;
    if (this.gain && this.clock.sounding) this.gain.gain.setTargetAtTime(on ? 0 : 1, this.clock.now(), 0.01);
  }

  /** Draw the picture whose sound is heard now; older ones are passed over. */
  show() {
    const heard = this.clock.heard() + SHOW_EARLY_MS / 1000;
    let due = null;
    while (this.queue.length && this.queue[0].at <= heard && !this.onItsWay(this.queue[0], heard)) {
      if (due) {
        this.counts.late += 1;
        this.pass(due);
      }
      due = this.queue.shift();
    }
    if (!due) return;
    if (due.bitmap) {
      if (this.canvas.width !== due.bitmap.width) {
        this.canvas.width = due.bitmap.width;
        this.canvas.height = due.bitmap.height;
      }
      this.paper.drawImage(due.bitmap, 0, 0);
    }
    const now = performance.now();
    this.counts.frames += Boolean(due.bitmap);
    if (due.bitmap) this.shown.push(1, now);
    if (this.clock.sounding) this.offset.push((this.clock.heard() - due.at) * 1000, now);
    this.tell(due, now);
    this.pass(due);
  }

  /** A picture that is still being drawn is waited for, a moment. */
  onItsWay(frame, heard) {
    return frame.coming && heard - frame.at < COMING_S;
  }

  tell(frame, now) {
    this.face = frame;
    if (frame.block.told) return;
    frame.block.told = true;
    this.drawn(frame.block, now);
  }

  pass(frame) {
    if (frame.bitmap) frame.bitmap.close();
    frame.bitmap = null;
  }

  fps() {
    return this.shown.values().length / 2;
  }

  stop() {
    this.running = false;
    clearInterval(this.pump);
    clearTimeout(this.waiting);
    cancelAnimationFrame(this.frame);
    for (const source of this.sources) {
      source.onended = null;
      source.stop();
    }
    for (const frame of this.queue) this.pass(frame);
    this.clock.close();
    this.clock = new MediaClock();
    this.reset();
  }
}
