// Who looks: an API key kept for this tab alone, and sent with every request.

import { both, byId, el } from "./dom.js";

const KEPT = "jinghu-key";
let me = null; // what the service knows of the key

export const keyHeaders = () => {
  const key = sessionStorage.getItem(KEPT);
  return key ? { Authorization: `Bearer ${key}` } : {};
};

export const signedIn = () => sessionStorage.getItem(KEPT) !== null;
export const may = (right) => me?.rights.includes(right) ?? false;

async function ask(key) {
  const answer = await fetch("/api/v1/keys/me", { headers: { Accept: "application/json", Authorization: `Bearer ${key}` } });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.detail ?? `${answer.status} ${answer.statusText}`);
  return found;
}

function signOut() {
  sessionStorage.removeItem(KEPT);
  location.reload();
}

/** Ask for a key; `why` says what was refused without one. */
export function showSignIn(why = "") {
  const sheet = byId("signin");
  if (sheet.open) return;
  const input = el("input", { type: "password", id: "api-key", autocomplete: "off", spellcheck: "false", required: true, maxlength: 128, placeholder: "jh_live_…" });
  const said = el("p", { class: "note", role: "alert" }, why ? both("需要有效的访问密钥。", why) : "");
  const submit = async (event) => {
    event.preventDefault();
    try {
      await ask(input.value.trim());
      sessionStorage.setItem(KEPT, input.value.trim());
      location.reload();
    } catch (error) {
      said.replaceChildren(both("密钥未被接受", error.message));
      input.select();
    }
  };
  sheet.replaceChildren(
    el("h2", {}, both("登录", "Sign in")),
    el("p", {}, both("请输入管理员发给您的访问密钥；关闭本页即失效。", "Enter the API key that you were given; it is kept until this tab is closed.")),
    el("form", { onsubmit: submit },
      el("label", { for: "api-key" }, both("访问密钥", "API key")), input, said,
      el("button", { type: "submit" }, both("登录", "Sign in")), " ",
      el("button", { type: "button", onclick: () => sheet.close() }, both("取消", "Cancel"))),
  );
  sheet.showModal();
  input.focus();
}

/** The button of the status line; resolves when it is known who looks. */
export async function setUpSignIn() {
  const button = byId("who");
  const out = () => {
    button.replaceChildren(both("登录", "Sign in"));
    button.onclick = () => showSignIn();
  };
  out();
  if (!signedIn()) return;
  try {
    me = await ask(sessionStorage.getItem(KEPT));
    button.title = `${me.scope_zh} ${me.scope}, ${me.prefix}`;
    button.replaceChildren(both(`${me.name} 退出`, "Sign out"));
    button.onclick = signOut;
  } catch (error) {
    sessionStorage.removeItem(KEPT); // revoked or expired: as if it had not been there
    showSignIn(error.message);
  }
}
