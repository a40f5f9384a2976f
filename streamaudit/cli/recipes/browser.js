// Record what a page showed of a stream: characters and chunks that were painted, and whether and when the user left.
//
// Paste   save as streamaudit-browser.js, and next to the code that reads the stream:
//             import { recordRendering } from "./streamaudit-browser.js";
//             const id = crypto.randomUUID();                        // send it along as the header X-Request-Id
//             const shown = recordRendering(id);
//             … for each piece of text, once it is in the page:      shown.paint(text);
//               (shown.paint(text, tokens) where the server sends their number: then the tax is exact)
//             … when all is shown, the user stops it, or it fails:   shown.done("complete" | "stop" | "error");
// Ids     your application writes that X-Request-Id into its traces. A page that knows the trace id only:
//         recordRendering(traceId, { kind: "trace_id" }).
// Cost    a few additions for each piece; a request of 200 bytes each time the page is hidden and at the end. Nothing
//         is held but counts. An error in here is ignored.
// Privacy counts, times and the id; no text.
// Sends to /streamaudit/rendered, with the figures in the query: the recipes of nginx, asgi and node write them to a
//         log; any other endpoint appends one JSON line of the query's fields and answers 204.
// Check   open the page, stop one answer, close the tab in another; then:
//             streamaudit instrument browser --check rendered.jsonl
// Read    streamaudit ingest rendered.jsonl --evidence --on request_id

export function recordRendering(id, { url = "/streamaudit/rendered", kind = "request_id" } = {}) {
  const start = performance.now(), now = () => Math.round(performance.now() - start);
  let added = 0, pieces = 0, chars = 0, chunks = 0, firstMs = null, framed = false, ended = null;
  let sent = 0, tokens = 0; // NaN once a piece came without its tokens
  let hiddenMs = 0, hiddenAt = document.hidden ? 0 : null;
  const attempt = (action) => { try { action(); } catch { /* a page goes on without its figures */ } };

  // What is in the page is shown once a frame with it was painted: the task after that frame. A hidden page has none.
  const afterPaint = (action) => requestAnimationFrame(() => setTimeout(action));
  const lengthOf = (text) => { let length = 0; for (const _ of text) length++; return length; };
  const frame = () => {
    if (framed) return;
    framed = true;
    requestAnimationFrame(() => {
      const [then, of, counted] = [added, pieces, sent];
      framed = false;
      setTimeout(() => {
        [chars, chunks, tokens] = [Math.max(chars, then), Math.max(chunks, of), Math.max(tokens, counted)];
        firstMs ??= now();
      });
    });
  };

  const send = (left) => attempt(() => {
    const figures = { [kind]: id, rendered_chars: chars, rendered_chunks: chunks, hidden_ms:
      Math.round(hiddenMs + (hiddenAt === null ? 0 : now() - hiddenAt)), end: ended ?? (left ? "leave" : "hidden") };
    if (tokens > 0) figures.rendered_tokens = tokens;
    if (firstMs !== null) figures.first_paint_ms = firstMs;
    if (left || ended !== null) figures.cancelled = left;
    if (left) figures.left_at_ms = now();
    const address = `${url}?${new URLSearchParams(figures)}`;
    if (!navigator.sendBeacon?.(address)) fetch(address, { method: "POST", keepalive: true }).catch(() => {});
  });

  // A page that is hidden may never be heard of again (phones close it without a word), or come back and go on: send
  // what was shown, and say that the user left only where the page really goes.
  const onVisibility = () => attempt(() => {
    if (document.hidden) { hiddenAt = now(); send(false); } else if (hiddenAt !== null) {
      hiddenMs += now() - hiddenAt;
      hiddenAt = null;
    }
  });
  const onLeave = (event) => { if (!event.persisted) send(true); };
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("pagehide", onLeave);

  return {
    // A piece of text that was added to the page, and its tokens where they are known.
    paint(text, count) { attempt(() => { added += lengthOf(text); sent += count ?? NaN; pieces++; frame(); }); },
    // The whole text of the answer so far, for pages that are drawn from it.
    paintAll(text) {
      attempt(() => {
        const length = lengthOf(text);
        if (length > added) { added = length; sent = NaN; pieces++; frame(); }
      });
    },
    // The end: "complete", "stop" (the user's), "disconnect" or "error".
    done(how = "complete") {
      if (ended !== null) return;
      ended = how;
      document.removeEventListener("visibilitychange", onVisibility);
      removeEventListener("pagehide", onLeave);
      const finish = () => send(how === "stop");
      attempt(() => (document.hidden || how !== "complete" ? finish() : afterPaint(finish)));
    },
  };
}
