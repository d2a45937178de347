// Reading the service: JSON, and frames kept until newer cycles push them out.

import { keyHeaders, showSignIn } from "./signin.js";

const HELD = 260;
const frames = new Map();

export class ServiceError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const getJson = (url) => readJson(url, {});

/** Ask for something to be done; sent twice, it is done once. */
export function postJson(url, body) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const once = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  const headers = { "Content-Type": "application/json", "Idempotency-Key": once };
  return readJson(url, { method: "POST", body: JSON.stringify(body), headers });
}

async function readJson(url, { headers, ...options }) {
  const answer = await fetch(url, { ...options, headers: { Accept: "application/json", ...headers, ...keyHeaders() } });
  if (answer.ok) return answer.json();
  let detail = `${answer.status} ${answer.statusText}`;
  if ((answer.headers.get("content-type") ?? "").includes("json")) {
    detail = (await answer.json()).detail ?? detail;
  }
  if (answer.status === 401) showSignIn(detail);
  throw new ServiceError(answer.status, detail);
}

/** JSON, or null where there is no such thing (404). */
export async function findJson(url) {
  try {
    return await getJson(url);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Codes of one frame. */
export function getFrame(url) {
  if (!frames.has(url)) {
    frames.set(url, fetchFrame(url));
    for (const old of frames.keys()) {
      if (frames.size <= HELD) break;
      frames.delete(old);
    }
  }
  return frames.get(url);
}

async function fetchFrame(url) {
  try {
    const answer = await fetch(url, { headers: keyHeaders() });
    if (!answer.ok) throw new ServiceError(answer.status, `${url}: ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    frames.delete(url); // a failure is not kept: the next look asks again
    throw error;
  }
}

/** Fetch frames ahead of the loop, a few at a time; stops when `current` says so. */
export async function preload(urls, current) {
  const queue = [...urls];
  const worker = async () => {
    while (queue.length && current()) {
      try {
        await getFrame(queue.shift());
      } catch {
        return; // shown when the frame itself is looked at
      }
    }
  };
  await Promise.all([worker(), worker(), worker()]);
}
