#!/usr/bin/env node
/**
 * `node health-check.js`: ends with 0 where the server of this machine answers `GET /health`, else with 1. For the HEALTHCHECK of
 * the Dockerfile. The port is that of SYNAP_SERVER_PORT, as the server has it.
 *
 * Whether the server has a certificate may be said in a file that only it reads. So it is asked in the clear first: one that
 * speaks TLS breaks off, and is asked over TLS then. Its certificate names it as clients call it, which is not 127.0.0.1, and
 * is not verified here: on the loopback nobody can stand between, and nothing secret is said.
 */
import { get } from "node:http";
import { get as getTls } from "node:https";

/** Less than the time-out of the HEALTHCHECK, so that what is wrong is told. */
const ANSWER_MS_MAX = 2500;

const address = `127.0.0.1:${process.env.SYNAP_SERVER_PORT ?? 15500}/health`;
const signal = AbortSignal.timeout(ANSWER_MS_MAX);

/** The status of the answer, or the error that came instead. */
function ask(send, url, options) {
  return new Promise((resolve) => {
    send(url, { ...options, agent: false, signal }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", resolve);
  });
}

let answer = await ask(get, `http://${address}`, {});
if (answer instanceof Error && !signal.aborted) {
  answer = await ask(getTls, `https://${address}`, { rejectUnauthorized: false });
}
if (answer !== 200) {
  process.stderr.write(`${address}: ${answer instanceof Error ? answer.message : `it answers ${answer}`}\n`);
  process.exitCode = 1;
}
