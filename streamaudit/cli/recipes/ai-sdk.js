// Record what a chat of the Vercel AI SDK (5 and later) showed, and what its server handed over.
//
// Paste   save as streamaudit-ai-sdk.js next to streamaudit-browser.js (streamaudit instrument browser). In the page:
//             const recorder = recordChat();                                               // outside of the component
//             const { messages } = useChat({ onFinish: recorder.onFinish,
//               transport: new DefaultChatTransport({ api: "/api/chat", fetch: recorder.fetch }) });
//             useEffect(() => recorder.show(messages), [messages]);
//         On the server, where no other recorder runs (streamText gives no usage of a stream that was aborted):
//             streamText({ model, messages, abortSignal: req.signal, ...recordText(req.headers.get("x-request-id")) })
// Ids     each request of the page has an X-Request-Id of its own; write it into your traces.
// Cost    a few additions for each drawing of the page, and a request of 200 bytes at the end of an answer. Nothing is
//         held but counts. An error in here is ignored.
// Privacy counts, times and the id; no text.
// Check   make one request, stop another; then: streamaudit instrument ai-sdk --check rendered.jsonl
// Read    streamaudit ingest rendered.jsonl --evidence --on request_id

import { recordRendering } from "./streamaudit-browser.js";

const attempt = (action) => { try { return action(); } catch { return undefined; } };

export function recordChat(options = {}) {
  let shown = null, last = { id: null, text: "" }, before = last;
  return {
    fetch(input, init = {}) {
      const headers = new Headers(init.headers);
      attempt(() => {
        shown?.done("stop"); // unless it has ended
        const id = headers.get("x-request-id") ?? crypto.randomUUID();
        headers.set("x-request-id", id);
        [shown, before] = [recordRendering(id, options), last];
      });
      return fetch(input, { ...init, headers });
    },
    // A message that goes on in a further request, after a tool was called: only what came since belongs to it.
    show(messages) {
      attempt(() => {
        const message = messages.at(-1);
        if (message?.role !== "assistant") return;
        last = { id: message.id, text: message.parts.map((part) => (part.type === "text" ? part.text : "")).join("") };
        shown?.paintAll(last.id === before.id ? last.text.slice(before.text.length) : last.text);
      });
    },
    onFinish({ isAbort, isDisconnect, isError } = {}) {
      attempt(() => shown?.done(isAbort ? "stop" : isDisconnect ? "disconnect" : isError ? "error" : "complete"));
    },
  };
}

// Settings of streamText. The chunks are those that the model sent: the reader got at most these.
export function recordText(requestId, { sink = (line) => console.log(JSON.stringify(line)) } = {}) {
  const start = performance.now(), now = () => Math.round(performance.now() - start);
  let chunks = 0, chars = 0, firstMs;
  const finish = (cancelled) => attempt(() => sink({ request_id: requestId ?? undefined, delivered_chunks: chunks,
    delivered_chars: chars, cancelled, cancelled_at_ms: cancelled ? now() : undefined, ttfb_ms: firstMs,
    end_ms: now() }));
  return {
    onChunk: ({ chunk }) => attempt(() => {
      if (chunk.type !== "text-delta") return;
      firstMs ??= now();
      chunks++;
      chars += [...(chunk.text ?? chunk.textDelta ?? "")].length;
    }),
    onAbort: () => finish(true), onFinish: () => finish(false), onError: () => finish(false),
  };
}
