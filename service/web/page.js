// The page: the query and the moment that plays are in its address, so that a link says both.

import { answer, play } from "./player.js";
import { count, hitCard, length, recordingCard } from "./show.js";

const $ = (id) => document.getElementById(id);
const SHOWN = 20;
const PAGE = 50;
let asked = 0; // an answer that comes after a later question is thrown away

function address() {
  const parameters = new URLSearchParams(location.search);
  return {
    q: parameters.get("q")?.trim() ?? "",
    doubtful: parameters.get("doubtful") === "true",
    recording: parameters.get("recording"),
    at: Number(parameters.get("at") ?? 0),
  };
}

function go(changes) {
  const { q, doubtful, recording, at } = { ...address(), ...changes };
  const parameters = new URLSearchParams();
  if (q) parameters.set("q", q);
  if (doubtful) parameters.set("doubtful", "true");
  if (recording) parameters.set("recording", recording);
  if (recording) parameters.set("at", String(at));
  history.pushState(null, "", `/?${parameters}`);
}

function playFrom(recordingId, startMs) {
  return (card) => {
    for (const other of document.querySelectorAll(".card[aria-current]")) other.removeAttribute("aria-current");
    card.setAttribute("aria-current", "true");
    go({ recording: recordingId, at: startMs });
    play(recordingId, startMs);
  };
}

async function show() {
  const { q, doubtful, recording, at } = address();
  $("q").value = q;
  $("doubtful").checked = doubtful;
  document.title = q ? `${q} · earwitness` : "earwitness";
  const listed = q ? find(q, doubtful, SHOWN) : list(0);
  if (recording) play(recording, at);
  await listed;
}

async function asking(words, question, found) {
  const mine = ++asked;
  $("status").textContent = words;
  $("more").hidden = true;
  try {
    const body = await answer(await fetch(question));
    if (mine === asked) found(body);
  } catch (error) {
    if (mine !== asked) return;
    $("list").replaceChildren();
    $("status").textContent = `That did not work: ${error.message}`;
  }
}

function find(q, doubtful, limit) {
  return asking("Searching…", `/api/v1/search?${new URLSearchParams({ q, doubtful, limit })}`, (found) => {
    const words = q.match(/[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*/gu) ?? [];
    $("list").replaceChildren(...found.hits.map((hit) => hitCard(hit, words, playFrom(hit.recording_id, hit.start_ms))));
    $("status").replaceChildren(...summary(found));
    more(found.hits.length < found.total && limit < 1000, () => find(q, doubtful, Math.min(1000, limit * 2)));
  });
}

function summary({ hits, total, left_out, searched, degraded }) {
  const heading = document.createElement("strong");
  heading.textContent = hits.length ? count(total, "hit") : "Nothing found";
  const speech = length(searched.speech_seconds * 1000);
  const silent = searched.silent_seconds ? ` ${length(searched.silent_seconds * 1000)} were digitally silent.` : "";
  const waiting = searched.not_processed ? ` ${count(searched.not_processed, "recording is", "recordings are")} not processed yet.` : "";
  const leftOut = left_out ? ` ${count(left_out, "place")} with doubtful words left out.` : "";
  const doubt = hits.length ? "" : " That does not mean nobody said it: machines mishear. Try other words, or leave the quotes out.";
  const missing = degraded.map((reason) => ` Not asked: ${reason}.`).join("");
  return [heading, ` in ${count(searched.recordings, "recording")} with ${speech} of speech.${silent}${waiting}${leftOut}${doubt}${missing}`];
}

function list(offset) {
  return asking("Listing the recordings…", `/api/v1/recordings?${new URLSearchParams({ limit: PAGE, offset })}`, (page) => {
    const cards = page.recordings.map((recording) => recordingCard(recording, playFrom(recording.id, 0)));
    if (offset) $("list").append(...cards);
    else $("list").replaceChildren(...cards);
    $("status").textContent = page.total
      ? `${count(page.total, "recording")}, the latest first.`
      : "Nothing was ingested yet: run `earwitness ingest FOLDER`, and it appears here.";
    more(offset + page.recordings.length < page.total, () => list(offset + PAGE));
  });
}

function more(is, then) {
  $("more").hidden = !is;
  $("more").onclick = then;
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  go({ q: $("q").value.trim(), doubtful: $("doubtful").checked, recording: null });
  show();
});
$("doubtful").addEventListener("change", () => $("search").requestSubmit());
addEventListener("popstate", show);
show();
