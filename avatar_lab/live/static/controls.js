// Controls that act at once: each change goes to the kernel as one `set`, the newest value only.

/** Wire the controls of `part`; `send(message, buffers)` reaches the kernel. Listeners die with `signal`. */
function wireControls(part, options, send, signal, say) {
  const later = new Map();
  const set = (name, value) => {
    clearTimeout(later.get(name));
    later.set(name, setTimeout(() => send({ type: "set", name, value }), 60));
  };
  const on = (element, event, action) => element.addEventListener(event, action, { signal });

  for (const name of ["liveliness", "nfe", "guidance_audio", "guidance_user"]) {
    on(part[name], "input", () => {
      const value = Number(part[name].value);
      if (name !== "liveliness") part[`${name}_out`].textContent = String(value);
      else part[name].setAttribute("aria-valuetext", `${Math.round(value * 100)} percent`);
      set(name, value);
    });
  }
  on(part.seed, "change", () => {
    part.seed.value = clamp(Math.round(Number(part.seed.value) || 0), 0, 99999);
    set("seed", Number(part.seed.value));
  });
  on(part.schedule, "change", () => set("schedule", part.schedule.value));
  on(part.gaze_to_camera, "change", () => set("gaze_to_camera", part.gaze_to_camera.checked));

  let character = options.values.character;
  const step = (by) => {
    character = (character + by + options.characters) % options.characters;
    part.character.textContent = `Character ${character}`;
    set("character", character);
  };
  on(part.before, "click", () => step(-1));
  on(part.after, "click", () => step(1));
  wirePortrait(part, send, on, say);
  wireVoice(part, send, on, say);
  signal.addEventListener("abort", () => later.forEach((timer) => clearTimeout(timer)));
}

/** A portrait moves only after somebody has said that it may. */
function wirePortrait(part, send, on, say) {
  let chosen = null;
  const ask = (open) => {
    part.portrait_ask.hidden = !open;
    part.portrait.hidden = open;
    (open ? part.portrait_yes : part.portrait).focus();
  };
  on(part.portrait, "click", () => part.portrait_input.click());
  on(part.portrait_input, "change", () => {
    chosen = part.portrait_input.files[0] || null;
    part.portrait_input.value = "";
    if (chosen && chosen.size > 20e6) say("That picture is larger than 20 MB. Choose a smaller one.", "warning");
    else if (chosen) ask(true);
  });
  on(part.portrait_yes, "click", async () => {
    ask(false);
    if (chosen) send({ type: "portrait", confirmed: true }, [await chosen.arrayBuffer()]);
    chosen = null;
  });
  on(part.portrait_no, "click", () => {
    chosen = null;
    ask(false);
  });
  on(part.portrait_ask, "keydown", (event) => {
    if (event.key === "Escape") part.portrait_no.click();
  });
}

function wireVoice(part, send, on, say) {
  on(part.say_form, "submit", (event) => {
    event.preventDefault();
    const text = part.say.value.trim();
    if (text) send({ type: "say", text });
    part.say.value = "";
  });
  on(part.say, "keydown", (event) => event.stopPropagation()); // the notebook has shortcuts of its own
  on(part.wav, "click", () => part.wav_input.click());
  on(part.wav_input, "change", async () => {
    const file = part.wav_input.files[0];
    part.wav_input.value = "";
    if (!file) return;
    if (file.size > 30e6) say("That sound is larger than 30 MB. Choose a shorter one.", "warning");
    else send({ type: "voice", name: file.name }, [await file.arrayBuffer()]);
  });
}
