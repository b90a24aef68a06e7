/** `GET /api/v1/events`: who may listen, and the answer to a HEAD. */
import { acceptsGzip } from "../content-negotiation.ts";
import { EVENT_STREAM, EventStream } from "./event-stream.ts";
import type { EventStreams } from "./event-streams.ts";
import type { HttpTraffic } from "./http-traffic.ts";
import { HEADER, type HttpRequest, type HttpResponse } from "./socket-server.ts";

/** GET or HEAD. */
export function handleEvents(
  traffic: HttpTraffic,
  streams: EventStreams,
  request: HttpRequest,
  response: HttpResponse,
): void {
  const verdict = traffic.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  const stream = new EventStream(traffic, streams, response, {
    allowOrigin: verdict.allowOrigin,
    acceptsGzip: acceptsGzip(request.getHeader(HEADER.acceptEncoding)),
  });
  if (verdict.refusal !== "") {
    stream.refuse("FORBIDDEN", verdict.refusal, "json");
  } else if (traffic.isStopping) {
    stream.refuse("SERVICE_UNAVAILABLE", "The server is shutting down.", "json");
  } else if (request.getMethod() === "head") {
    stream.answerHead({ status: 200, length: 0, contentType: EVENT_STREAM });
  } else {
    stream.start(request.getQuery(), request.getHeader("last-event-id"));
  }
}
