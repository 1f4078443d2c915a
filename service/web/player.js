// The player: a recording from a moment on, with its captions, its transcript, and what is played.

import { clock, element, fileName, languageName, length, moment } from "./show.js";

const $ = (id) => document.getElementById(id);
const API = "/api/v1/recordings";
let asked = 0; // who asks last is played

export async function play(recordingId, startMs) {
  const mine = ++asked;
  const kept = $("screen").querySelector("video");
  document.querySelector("main").classList.add("playing");
  $("player").hidden = false;
  if (matchMedia("(max-width: 59.99rem)").matches) $("player").scrollIntoView(); // it stands above the results there
  if (kept?.dataset.recording === recordingId) {
    start(kept, startMs);
    return;
  }
  kept?.pause();
  $("lines").replaceChildren();
  $("proxy").textContent = "";
  say("Opening the recording…");
  try {
    const recording = await answer(await fetch(`${API}/${recordingId}`));
    if (mine !== asked) return;
    describe(recording);
    if (recording.playable.state !== "ready") say("A browser cannot play this file as it is: making a playable copy…");
    const type = await whenPlayable(recordingId, () => mine === asked);
    if (mine !== asked) return;
    const video = screen(recording, type.startsWith("audio/"));
    start(video, startMs);
    await Promise.all([label(recordingId), lines(recordingId, video, () => mine === asked)]);
  } catch (error) {
    if (mine === asked) say(error.message);
  }
}

export async function answer(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? response.statusText);
  return body;
}

// The first request makes a copy where one is needed; 202 says to ask again.
async function whenPlayable(recordingId, wanted) {
  while (wanted()) {
    const response = await fetch(`${API}/${recordingId}/playable`, { method: "HEAD" });
    if (response.status !== 202) {
      if (!response.ok) await answer(await fetch(`${API}/${recordingId}/playable`));
      return response.headers.get("Content-Type") ?? "";
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return "";
}

function screen(recording, isSound) {
  const captions = element("track", {
    kind: "captions",
    src: `${API}/${recording.id}/captions.vtt`,
    srclang: recording.languages[0] ?? "en",
    label: "Machine transcript, not verified",
    default: "",
  });
  // Also for sound alone: an audio element would show no captions.
  const video = element("video", {
    controls: "",
    preload: "auto",
    class: isSound ? "sound" : "",
    src: `${API}/${recording.id}/playable`,
    "data-recording": recording.id,
    "aria-label": recording.sources.length ? fileName(recording.sources[0]) : recording.id,
    children: [captions],
  });
  video.addEventListener("error", () => say("This browser cannot play the recording. The original can be downloaded below."));
  $("screen").replaceChildren(video);
  captions.track.mode = "showing";
  return video;
}

function start(video, startMs) {
  const go = () => {
    video.currentTime = startMs / 1000;
    video.play().catch(() => video.focus()); // without a click before, browsers wait for one
  };
  if (video.readyState >= HTMLMediaElement.HAVE_METADATA) go();
  else video.addEventListener("loadedmetadata", go, { once: true });
}

function say(text) {
  $("screen").replaceChildren(element("p", { role: "status", text }));
}

function describe(recording) {
  const { recorded_at, officer, badge, unit, incident_id, category } = recording.metadata;
  $("title").textContent = recording.sources.length ? fileName(recording.sources[0]) : recording.id;
  const facts = {
    Recorded: moment(recorded_at),
    Officer: [officer, badge && `badge ${badge}`, unit].filter(Boolean).join(", "),
    Incident: [incident_id, category].filter(Boolean).join(", "),
    Length: length(recording.duration_ms),
    Languages: recording.languages.map(languageName).join(", "),
    "SHA-256": recording.id,
  };
  const entries = Object.entries(facts).filter(([, value]) => value);
  $("facts").replaceChildren(...entries.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]));
}

const KINDS = {
  original: "What plays is the original file.",
  remux: "What plays is a copy: the original’s streams, unchanged, in another container.",
  transcode: "What plays is a copy made anew for the browser, on the same time; it is not the evidence.",
};

async function label(recordingId) {
  const { playable } = await answer(await fetch(`${API}/${recordingId}`));
  const copy = playable.kind !== "original" && playable.sha256 ? ` SHA-256 of the copy: ${playable.sha256}.` : "";
  $("proxy").replaceChildren(`${KINDS[playable.kind]}${copy} `, element("a", { href: `${API}/${recordingId}/media`, download: "", text: "Download the original" }));
}

async function lines(recordingId, video, wanted) {
  const response = await fetch(`${API}/${recordingId}/transcript?format=json`);
  if (response.status === 404) return; // it has no transcript yet
  const transcript = await answer(response);
  if (!wanted()) return;
  const buttons = transcript.segments.map((segment) => {
    const button = element("button", {
      type: "button",
      children: [
        element("time", { text: clock(segment.start_ms) }),
        element("span", {
          children: [
            element("span", { class: "who", text: `${segment.speaker ?? "speaker unknown"} ` }),
            element("span", { lang: segment.language, text: segment.text }),
          ],
        }),
      ],
    });
    button.addEventListener("click", () => start(video, segment.start_ms));
    return button;
  });
  $("lines").replaceChildren(...buttons.map((button) => element("li", { children: [button] })));
  const follow = () => {
    const now = video.currentTime * 1000;
    transcript.segments.forEach((segment, position) => {
      const current = segment.start_ms <= now && now < segment.end_ms;
      if (current === buttons[position].hasAttribute("aria-current")) return;
      if (!current) return void buttons[position].removeAttribute("aria-current");
      buttons[position].setAttribute("aria-current", "true");
      const list = $("lines"); // scrolled by itself: the page stays where the reader is
      list.scrollTop = buttons[position].offsetTop - list.clientHeight / 3;
    });
  };
  video.addEventListener("timeupdate", follow);
  follow();
}
