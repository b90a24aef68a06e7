/** The connection commands that clients begin and end with: HELLO, AUTH, PING, ECHO, SELECT, RESET, QUIT. */

import type { RespRequest } from "../codecs/resp/resp-request.ts";
import { parseDecimal } from "../commands/kv/integer.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR, wrongArity } from "../commands/resp/error-texts.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import { version } from "../config/version.ts";
import { ANSWERED_LATER, logIn, NO_PASSWORD, type RespGuard, WRONG_PASSWORD } from "./resp-access.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";

/** Clients look at it to see what the server can do: the version of Redis whose answers are given here. */
export const REDIS_VERSION = "7.0.15";

const NO_AUTH_FLAGS: readonly RespFlag[] = ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"];

export const greetingCommands: readonly ConnectionCommand[] = [
  connection("ping", -1, "known", ["fast"], "Ping the server", "1.0.0", ping),
  connection("echo", 2, "known", ["fast"], "Echo the given string", "1.0.0", ({ request, sink }) =>
    sink.bulk(request.range(1)),
  ),
  connection("select", 2, "known", ["loading", "stale", "fast"], "Change the selected database", "1.0.0", select),
  connection("hello", -1, "anybody", NO_AUTH_FLAGS, "Handshake with Redis", "6.0.0", hello),
  connection("auth", -2, "anybody", NO_AUTH_FLAGS, "Authenticate to the server", "1.0.0", auth),
  connection("quit", -1, "anybody", NO_AUTH_FLAGS, "Close the connection", "1.0.0", (call) => {
    call.sink.ok();
    call.client.isClosing = true;
  }),
  connection("reset", 1, "anybody", NO_AUTH_FLAGS, "Reset the connection", "6.2.0", (call) => {
    call.client.reset();
    call.client.granted(call.dispatcher.access.newcomer);
    call.sink.simple("RESET");
  }),
];

export function connection(
  name: string,
  arity: number,
  guard: RespGuard,
  flags: readonly RespFlag[],
  summary: string,
  since: string,
  run: (call: RespCall) => void,
): ConnectionCommand {
  return { name, arity, guard, flags, keys: NO_KEYS, group: "connection", summary, since, run };
}

function ping({ request, sink }: RespCall): void {
  if (request.count > 2) sink.error(wrongArity("ping"));
  else if (request.count === 2) sink.bulk(request.range(1));
  else sink.simple("PONG");
}

function select({ request, sink }: RespCall): void {
  const index = parseDecimal(request.range(1));
  if (index === undefined) sink.error(NOT_AN_INTEGER);
  else if (index !== 0) sink.error("ERR DB index is out of range");
  else sink.ok();
}

/** `AUTH [name] token`: the name is that of the token, or `default`. */
function auth({ client, request, sink, dispatcher: { access } }: RespCall): void {
  if (request.count > 3) {
    sink.error(SYNTAX_ERROR);
    return;
  }
  const name = request.count === 3 ? request.text(1) : "default";
  const refusal = access.newcomer.isUnrestricted
    ? refusalOfOpenServer(name, request.count === 2)
    : logIn(client, access, name, request.text(request.count - 1));
  if (refusal === undefined) sink.ok();
  else if (refusal !== ANSWERED_LATER) sink.error(refusal);
}

/** As Redis answers where nobody has to log in: its default user has no password, and takes any. */
function refusalOfOpenServer(name: string, isAlone: boolean): string | undefined {
  if (isAlone) return NO_PASSWORD;
  return name === "default" ? undefined : WRONG_PASSWORD;
}

/** `HELLO [protover [AUTH username password] [SETNAME clientname]]` */
function hello(call: RespCall): void {
  const { client, request, sink, dispatcher } = call;
  const asked = helloOptions(request, client.version);
  if (typeof asked === "string") {
    sink.error(asked);
    return;
  }
  const { protocol, name } = asked;
  const refusal = helloRefusal(call, asked.credentials);
  if (refusal !== undefined) {
    if (refusal !== ANSWERED_LATER) sink.error(refusal);
    return;
  }
  if (client.version !== protocol) {
    client.version = protocol;
    client.subscriptions?.versionChanged();
  }
  dispatcher.writer.version = protocol;
  if (name !== undefined) client.name = name;
  sink.map(7);
  sink.text("server");
  sink.text("redis");
  sink.text("version");
  sink.text(REDIS_VERSION);
  sink.text("proto");
  sink.integer(protocol);
  sink.text("id");
  sink.integer(client.id);
  sink.text("mode");
  sink.text("standalone");
  sink.text("role");
  sink.text(dispatcher.runner.executor.isReplica ? "replica" : "master");
  sink.text("modules");
  sink.array(1);
  sink.map(2);
  sink.text("name");
  sink.text("synap");
  sink.text("ver");
  sink.text(version);
}

const HELLO_NO_AUTH =
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";

interface Credentials {
  readonly name: string;
  readonly token: string;
}

interface HelloOptions {
  readonly protocol: 2 | 3;
  readonly name: string | undefined;
  readonly credentials: Credentials | undefined;
}

/** Logs in where that was asked for; who has not is told nothing. */
function helloRefusal({ client, dispatcher }: RespCall, credentials: Credentials | undefined): string | undefined {
  const { access, runner } = dispatcher;
  if (credentials === undefined) {
    return runner.executor.strangerRefusal(client, "hello") === undefined ? undefined : HELLO_NO_AUTH;
  }
  const { name, token } = credentials;
  return access.newcomer.isUnrestricted ? refusalOfOpenServer(name, false) : logIn(client, access, name, token);
}

/** Each option may be given again, as in Redis; this is more than anybody gives. */
const HELLO_WORDS_MAX = 20;

/** @returns what a HELLO asks for, or the error. */
function helloOptions(request: RespRequest, current: 2 | 3): HelloOptions | string {
  if (request.count > HELLO_WORDS_MAX) return `ERR HELLO takes at most ${HELLO_WORDS_MAX - 1} words`;
  let protocol = current;
  if (request.count > 1) {
    const given = parseDecimal(request.range(1));
    if (given === undefined) return "ERR Protocol version is not an integer or out of range";
    if (given !== 2 && given !== 3) return "NOPROTO unsupported protocol version";
    protocol = given;
  }
  let name: string | undefined;
  let credentials: Credentials | undefined;
  for (let word = 2; word < request.count; word++) {
    const left = request.count - 1 - word;
    if (request.is(word, "AUTH") && left >= 2) {
      credentials = { name: request.text(word + 1), token: request.text(word + 2) };
      word += 2;
    } else if (request.is(word, "SETNAME") && left >= 1) {
      const problem = clientNameProblem(request, ++word);
      if (problem !== undefined) return problem;
      name = request.text(word);
    } else {
      return `ERR Syntax error in HELLO option '${request.text(word)}'`;
    }
  }
  return { protocol, name, credentials };
}

const BAD_CLIENT_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";
/** A connection keeps its name on the heap for as long as it lives, so what is not bounded here is bounded nowhere. */
const CLIENT_NAME_BYTES_MAX = 255;

/** Why a word is no name for a connection: it is printable ASCII without space, or empty. */
export function clientNameProblem(request: RespRequest, word: number): string | undefined {
  return (
    clientWordTooLong(request, word, "Client names") ??
    (/^[!-~]*$/.test(request.text(word)) ? undefined : BAD_CLIENT_NAME)
  );
}

/** Why a word is too long for what a connection says about itself. Looked at before a string is made of it. */
export function clientWordTooLong(request: RespRequest, word: number, what: string): string | undefined {
  const bytes = request.length(word);
  if (bytes <= CLIENT_NAME_BYTES_MAX) return undefined;
  return `ERR ${what} have at most ${CLIENT_NAME_BYTES_MAX} bytes, and this one has ${bytes}`;
}
