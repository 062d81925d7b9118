"use strict";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const JSON_TYPE = "application/json";
const OCTETS = "application/octet-stream";
const MAX_SHOWN = 200000;
const base = new URL(".", location.href);
const byId = (id) => document.getElementById(id);

let api = {};

/** Make an element: attributes by name, `text` for its text, `on` for listeners; then its children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// --- schemas ---

function resolve(schema) {
  let found = schema ?? {};
  for (let depth = 0; found.$ref && depth < 20; depth += 1) {
    const path = found.$ref.replace(/^#\//, "").split("/");
    found = path.reduce((part, key) => part?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], api) ?? {};
  }
  if (found.allOf?.length === 1) return { ...resolve(found.allOf[0]), ...found, allOf: undefined };
  return found;
}

function nameOf(schema) {
  if (!schema || Object.keys(schema).length === 0) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.allOf?.length === 1) return nameOf(schema.allOf[0]);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(nameOf).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
  if (schema.type === "array") return `array of ${nameOf(schema.items)}`;
  if (schema.type === "object" && typeof schema.additionalProperties === "object")
    return `object of ${nameOf(schema.additionalProperties)}`;
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type ?? "any";
  const format = schema.format ?? schema.contentEncoding;
  return format ? `${type} (${format})` : type;
}

function limitsOf(schema) {
  const names = { minimum: "≥", exclusiveMinimum: ">", maximum: "≤", exclusiveMaximum: "<", minLength: "length ≥",
    maxLength: "length ≤", pattern: "matches", minItems: "items ≥", maxItems: "items ≤" };
  const found = Object.entries(names).filter(([key]) => schema[key] !== undefined).map(([key, sign]) => `${sign} ${schema[key]}`);
  if (schema.default !== undefined) found.push(`default ${JSON.stringify(schema.default)}`);
  return found.join(", ");
}

/** Models nested in a property: the property itself, or what its array holds. */
function inside(schema) {
  const found = resolve(schema);
  if (found.type === "array") return inside(found.items);
  const choices = (found.anyOf ?? found.oneOf ?? []).map(resolve).filter((each) => each.properties);
  return choices.length === 1 ? choices[0] : found;
}

function drawProperty(name, schema, isNeeded, depth) {
  const row = make("li", {}, make("code", { text: name }), make("span", { class: "type", text: nameOf(schema) }));
  if (isNeeded) row.append(make("span", { class: "needed", text: "required" }));
  const found = resolve(schema);
  const limits = limitsOf({ ...found, ...schema });
  if (limits) row.append(make("span", { class: "type", text: limits }));
  const about = schema.description ?? found.description;
  if (about) row.append(make("p", { text: about }));
  const nested = inside(schema);
  if (nested.properties && depth < 4) row.append(drawProperties(nested, depth + 1));
  return row;
}

function drawProperties(schema, depth = 0) {
  const needed = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties).map(([name, each]) => drawProperty(name, each, needed.has(name), depth));
  return make("ul", { class: "schema" }, ...rows);
}

function drawSchema(schema) {
  const found = inside(schema);
  if (found.properties && Object.keys(found.properties).length > 0) return drawProperties(found);
  if (found.properties) return make("p", { class: "hint", text: "No parameters." });
  const row = make("li", {}, make("code", { text: nameOf(schema) }));
  const about = schema?.description ?? found.description;
  if (about) row.append(make("p", { text: about }));
  return make("ul", { class: "schema" }, row);
}

function exampleOf(schema, depth = 0) {
  const given = schema?.default ?? schema?.examples?.[0] ?? schema?.example;
  if (given !== undefined) return given;
  const found = resolve(schema);
  const own = found.default ?? found.examples?.[0] ?? found.example ?? found.const ?? found.enum?.[0];
  if (own !== undefined) return own;
  if (depth > 5) return null;
  const choices = found.anyOf ?? found.oneOf;
  if (choices) return exampleOf(choices[0], depth + 1);
  const type = Array.isArray(found.type) ? found.type[0] : found.type;
  if (type === "object" || found.properties) {
    const needed = new Set(found.required ?? []);
    const wanted = Object.entries(found.properties ?? {}).filter(([name, each]) => needed.has(name) || each.default !== undefined);
    return Object.fromEntries(wanted.map(([name, each]) => [name, exampleOf(each, depth + 1)]));
  }
  if (type === "array") return found.prefixItems ? found.prefixItems.map((each) => exampleOf(each, depth + 1)) : [exampleOf(found.items, depth + 1)];
  if (type === "string") return exampleText(found);
  if (type === "integer" || type === "number") return found.minimum ?? (found.exclusiveMinimum !== undefined ? found.exclusiveMinimum + 1 : 1);
  if (type === "boolean") return true;
  return null;
}

function exampleText(schema) {
  if (schema.contentEncoding === "base64") return "aGVsbG8=";
  const texts = { date: "2030-01-31", "date-time": "2030-01-31T12:00:00Z", time: "12:00:00Z", duration: "PT1M",
    uuid: "00000000-0000-4000-8000-000000000000" };
  return texts[schema.format] ?? "hello";
}

// --- one operation ---

function bodyOf(operation) {
  const content = operation.requestBody?.content ?? {};
  const [type] = Object.keys(content);
  return type === undefined ? null : { type, schema: content[type].schema, needed: operation.requestBody.required };
}

function drawRequest(operation) {
  const parts = [];
  const parameters = operation.parameters ?? [];
  if (parameters.length > 0) {
    const rows = parameters.map((each) => drawProperty(each.name, { description: each.description, ...each.schema }, each.required, 0));
    parts.push(make("div", { class: "block" }, make("h3", { text: "Parameters" }), make("ul", { class: "schema" }, ...rows)));
  }
  const body = bodyOf(operation);
  if (body !== null) {
    const title = make("h3", { text: "Body" }, make("span", { class: "tag", text: body.type }));
    const isJson = body.type === JSON_TYPE;
    parts.push(make("div", { class: "block" }, title, isJson ? drawSchema(body.schema) : make("p", { class: "hint", text: "The bytes as they are." })));
  }
  return parts;
}

function drawResult(operation) {
  const good = Object.entries(operation.responses ?? {}).find(([status]) => status.startsWith("2"));
  const content = good?.[1].content ?? {};
  const [first] = Object.keys(content);
  if (first === undefined) return null;
  const isStream = Boolean(operation["x-dynamo-stream"]);
  const title = make("h3", { text: isStream ? "Each item of the stream" : "Result" });
  const tags = Object.keys(content).map((type) => make("span", { class: "tag", text: type }));
  title.append(...(isStream ? [] : tags));
  const shape = first === OCTETS ? make("p", { class: "hint", text: "Bytes." }) : drawSchema(content[first].itemSchema ?? content[first].schema);
  return make("div", { class: "block" }, title, shape);
}

function drawStatuses(operation) {
  const rows = Object.entries(operation.responses ?? {}).map(([status, each]) =>
    make("li", {}, make("code", { text: status }), make("span", { class: "type", text: each.description ?? "" })));
  return make("details", { class: "more" }, make("summary", { text: "Every status" }), make("ul", { class: "schema" }, ...rows));
}

function drawForm(method, path, operation) {
  const body = bodyOf(operation);
  const form = make("form", { autocomplete: "off" });
  const inputs = (operation.parameters ?? []).filter((each) => each.in === "query" || each.in === "path").map((each) => {
    const example = exampleOf(each.schema);
    const value = each.required || each.schema?.default !== undefined ? (typeof example === "string" ? example : JSON.stringify(example)) : "";
    const input = make("input", { type: "text", name: each.name, value: value ?? "", spellcheck: "false" });
    form.append(make("label", { class: "field" }, `${each.name}${each.required ? "" : " (optional)"}`, input));
    return { place: each.in, name: each.name, needed: each.required, input };
  });
  let editor = null;
  if (body !== null && body.type === OCTETS) editor = make("input", { type: "file", "aria-label": "Bytes to send" });
  else if (body !== null) {
    editor = make("textarea", { spellcheck: "false", "aria-label": "Body" });
    editor.value = body.type === JSON_TYPE ? JSON.stringify(exampleOf(body.schema), null, 2) : "";
    editor.rows = Math.min(16, Math.max(3, editor.value.split("\n").length));
  }
  if (editor !== null) form.append(editor);
  const types = Object.keys(operation.responses?.["200"]?.content ?? {});
  const accept = types.length > 1 ? make("select", { "aria-label": "Form of the stream" }, ...types.map((type) => make("option", { value: type, text: type }))) : null;
  const send = make("button", { class: "send", type: "submit", text: "Send" });
  const stop = make("button", { type: "button", text: "Stop", hidden: true });
  form.append(make("div", { class: "row" }, send, stop, accept));
  return { form, inputs, editor, accept, send, stop, body, method, path };
}

function urlOf(parts) {
  let path = parts.path;
  const query = new URLSearchParams();
  for (const each of parts.inputs) {
    if (each.place === "path") path = path.replace(`{${each.name}}`, encodeURIComponent(each.input.value));
    else if (each.needed || each.input.value !== "") query.append(each.name, each.input.value);
  }
  const url = new URL(path.replace(/^\//, ""), base);
  url.search = query.toString();
  return url;
}

function curlOf(parts) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const words = ["curl", "-N"];
  if (parts.method !== "get" && !(parts.method === "post" && parts.body)) words.push("-X", parts.method.toUpperCase());
  words.push(quote(urlOf(parts).href));
  if (parts.accept && parts.accept.selectedIndex > 0) words.push("-H", quote(`accept: ${parts.accept.value}`));
  if (parts.body) {
    words.push("-H", quote(`content-type: ${parts.body.type}`));
    words.push(parts.editor.type === "file" ? "--data-binary @file" : `-d ${quote(compact(parts.editor.value))}`);
  }
  return words.join(" ");
}

function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

// --- sending ---

async function sendRequest(parts, answer) {
  const control = new AbortController();
  const began = performance.now();
  const elapsed = () => `${Math.round(performance.now() - began)} ms`;
  parts.send.disabled = true;
  parts.stop.hidden = false;
  parts.stop.onclick = () => control.abort();
  answer.begin();
  try {
    const headers = {};
    if (parts.accept) headers.accept = parts.accept.value;
    let body;
    if (parts.body) {
      headers["content-type"] = parts.body.type;
      body = parts.editor.type === "file" ? parts.editor.files[0] ?? "" : parts.editor.value;
    }
    const response = await fetch(urlOf(parts), { method: parts.method.toUpperCase(), headers, body, signal: control.signal, credentials: "same-origin" });
    answer.start(response, elapsed());
    await readBody(response, answer, () => answer.tick(elapsed()));
    answer.end(elapsed());
  } catch (error) {
    if (control.signal.aborted) answer.fail("Stopped.", elapsed());
    else if (answer.isStarted) answer.fail("The connection was closed before the answer was complete.", elapsed());
    else answer.fail(`No answer: ${error.message}`, elapsed());
  } finally {
    parts.send.disabled = false;
    parts.stop.hidden = true;
  }
}

async function readBody(response, answer, tick) {
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith(OCTETS)) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    answer.write(dump(bytes));
    answer.count(`${bytes.length} bytes`);
    return;
  }
  if (type.includes("json") && !type.includes("ndjson")) {
    const text = await response.text();
    try {
      answer.write(JSON.stringify(JSON.parse(text), null, 2));
    } catch {
      answer.write(text);
    }
    return;
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const separator = type.startsWith("text/event-stream") ? /\n\n/g : type.includes("ndjson") ? /\n/g : null;
  let items = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const text = decoder.decode(value, { stream: true });
    answer.write(text, true);
    tick();
    if (separator) {
      items += text.match(separator)?.length ?? 0;
      const noun = separator.source === "\\n" ? "item" : "event";
      answer.count(`${items} ${noun}${items === 1 ? "" : "s"}`);
    }
  }
}

function dump(bytes) {
  const rows = [];
  for (let at = 0; at < Math.min(bytes.length, 4096); at += 8) {
    const row = [...bytes.slice(at, at + 8)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(23)}  ${text}`);
  }
  if (bytes.length > 4096) rows.push(`… ${bytes.length - 4096} more`);
  return rows.join("\n");
}

class Answer {
  constructor() {
    this.status = make("span", { class: "status" });
    this.type = make("span");
    this.time = make("span");
    this.counted = make("span");
    this.output = make("pre", { tabindex: "0" });
    this.problem = make("div", { class: "problem", role: "alert", hidden: true });
    const line = make("header", {}, this.status, this.type, make("span", { class: "spring" }), this.counted, this.time);
    this.element = make("div", { class: "answer", hidden: true }, line, this.output, this.problem);
    this.isStarted = false;
  }

  begin() {
    this.isStarted = false;
    this.element.hidden = false;
    this.element.className = "answer running";
    this.status.textContent = "Sending …";
    for (const each of [this.type, this.time, this.counted, this.output]) each.textContent = "";
    this.problem.hidden = true;
  }

  start(response, elapsed) {
    this.isStarted = true;
    this.element.classList.add(response.ok ? "good" : "bad");
    this.status.textContent = `${response.status} ${response.statusText}`;
    this.type.textContent = (response.headers.get("content-type") ?? "").split(";")[0];
    this.tick(elapsed);
  }

  tick(elapsed) {
    this.time.textContent = elapsed;
  }

  write(text, follows = false) {
    const isAtEnd = follows && this.output.scrollTop + this.output.clientHeight >= this.output.scrollHeight - 8;
    this.output.append(text);
    if (this.output.childNodes.length > 500) this.output.normalize();
    if (this.output.textContent.length > MAX_SHOWN) this.output.textContent = `…${this.output.textContent.slice(-MAX_SHOWN / 2)}`;
    if (isAtEnd) this.output.scrollTop = this.output.scrollHeight;
  }

  count(text) {
    this.counted.textContent = text;
  }

  end(elapsed) {
    this.element.classList.remove("running");
    this.tick(elapsed);
  }

  fail(message, elapsed) {
    this.end(elapsed);
    this.element.classList.remove("good");
    this.element.classList.add("bad");
    if (!this.isStarted) this.status.textContent = "Failed";
    this.problem.textContent = message;
    this.problem.hidden = false;
  }
}

// --- the page ---

function drawOperation(method, path, operation) {
  const id = `${method}${path.replace(/[^A-Za-z0-9]+/g, "-")}`;
  const isStream = Boolean(operation["x-dynamo-stream"]);
  const summary = make("summary", {}, make("span", { class: `method ${method}`, text: method.toUpperCase() }),
    make("span", { class: "path", text: path }), make("span", { class: "about", text: operation.summary ?? "" }),
    isStream ? make("span", { class: "tag", text: "stream" }) : null);
  const card = make("details", { class: "operation", id }, summary);
  card.addEventListener("toggle", () => {
    if (card.open && !card.querySelector(".inner")) card.append(drawInner(method, path, operation));
  });
  return { id, card };
}

function drawInner(method, path, operation) {
  const parts = drawForm(method, path, operation);
  const answer = new Answer();
  const curl = make("pre", { text: curlOf(parts) });
  const refresh = () => { curl.textContent = curlOf(parts); };
  parts.form.addEventListener("input", refresh);
  parts.form.addEventListener("change", refresh);
  parts.form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendRequest(parts, answer);
  });
  parts.form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) parts.form.requestSubmit();
  });
  const shell = make("details", { class: "more" }, make("summary", { text: "As a command" }), make("div", { class: "curl" }, curl));
  const description = operation.description ? make("p", { class: "description", text: operation.description }) : null;
  return make("div", { class: "inner" }, description, make("div", { class: "columns" },
    make("div", {}, ...drawRequest(operation), drawResult(operation), drawStatuses(operation)),
    make("div", {}, make("h3", { text: "Try it" }), parts.form, shell, answer.element)));
}

function drawApi() {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths ?? {}))
    for (const method of METHODS)
      if (item[method]) {
        const tag = item[method].tags?.[0] ?? "Other routes";
        groups.set(tag, [...(groups.get(tag) ?? []), { method, path, operation: item[method] }]);
      }
  const index = byId("index");
  const operations = byId("operations");
  operations.replaceChildren();
  for (const [tag, found] of groups) {
    const list = make("ul");
    index.append(make("h2", { text: tag }), list);
    for (const { method, path, operation } of found) {
      const { id, card } = drawOperation(method, path, operation);
      operations.append(card);
      list.append(make("li", {}, make("a", { href: `#${id}` }, make("span", { class: `method ${method}`, text: method.toUpperCase() }), make("span", { class: "path", text: path }))));
    }
  }
  if (groups.size === 0) operations.append(make("p", { class: "notice", text: "This service has no endpoints that HTTP reaches; mark one with @api." }));
  openTarget();
}

function openTarget() {
  const wanted = location.hash ? byId(decodeURIComponent(location.hash.slice(1))) : document.querySelector(".operation");
  if (wanted instanceof HTMLDetailsElement) {
    wanted.open = true;
    if (location.hash) wanted.scrollIntoView();
  }
}

async function showReadiness() {
  const place = byId("ready");
  try {
    const response = await fetch(new URL("readyz", base), { cache: "no-store" });
    place.textContent = response.ok ? "ready" : "not ready";
    place.className = `state ${response.ok ? "good" : "bad"}`;
  } catch {
    place.textContent = "unreachable";
    place.className = "state bad";
  }
}

async function main() {
  showReadiness();
  setInterval(() => { if (!document.hidden) showReadiness(); }, 10000);
  window.addEventListener("hashchange", openTarget);
  try {
    const response = await fetch(new URL("openapi.json", base));
    if (!response.ok) throw new Error(`status ${response.status}`);
    api = await response.json();
  } catch (error) {
    byId("operations").replaceChildren(make("p", { class: "notice bad", role: "alert", text: `openapi.json could not be read: ${error.message}` }));
    return;
  }
  byId("title").textContent = api.info?.title ?? document.title;
  byId("version").textContent = api.info?.version ?? "";
  drawApi();
}

main();
