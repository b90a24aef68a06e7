/** `GET /api/v1/events`: who may listen, and the answer to a HEAD. */
import { isRefusal } from "../../access/access-control.ts";
import { acceptsGzip } from "../content-negotiation.ts";
import { chargeAddress, ratedGrant, refuseAccess, TOO_MANY_CONNECTIONS } from "./admission.ts";
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
  const isHead = request.getMethod() === "head";
  const verdict = traffic.originRules.judge(request.getHeader(HEADER.host), request.getHeader(HEADER.origin));
  const stream = new EventStream(traffic, streams, response, {
    allowOrigin: verdict.allowOrigin,
    acceptsGzip: acceptsGzip(request.getHeader(HEADER.acceptEncoding)),
    isHead,
  });
  if (verdict.refusal !== "") {
    stream.refuse("FORBIDDEN", verdict.refusal, "json");
    return;
  }
  const grant = ratedGrant(traffic, request, stream, { query: request.getQuery() });
  if (isRefusal(grant)) {
    refuseAccess(stream, grant, "json");
  } else if (traffic.connections.isFullFor(stream.address)) {
    chargeAddress(traffic, stream);
    refuseAccess(stream, TOO_MANY_CONNECTIONS, "json");
  } else if (traffic.isStopping) {
    stream.refuse("SERVICE_UNAVAILABLE", "The server is shutting down.", "json");
  } else if (isHead) {
    chargeAddress(traffic, stream);
    stream.answerHead({ status: 200, length: 0, contentType: EVENT_STREAM });
  } else {
    stream.grant = grant;
    stream.start(request.getQuery(), request.getHeader("last-event-id"));
  }
}
