/** The connection commands that clients begin and end with: HELLO, AUTH, PING, ECHO, SELECT, RESET, QUIT. */

import type { RespRequest } from "../codecs/resp/resp-request.ts";
import { parseDecimal } from "../commands/kv/integer.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR, wrongArity } from "../commands/resp/error-texts.ts";
import { NO_KEYS, type RespFlag } from "../commands/resp/resp-command.ts";
import { version } from "../config/version.ts";
import type { ConnectionCommand, RespCall } from "./resp-connection-command.ts";

/** Clients look at it to see what the server can do: the version of Redis whose answers are given here. */
export const REDIS_VERSION = "7.0.15";

const NO_PASSWORD =
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
const CONNECTION_FLAGS: readonly RespFlag[] = ["noscript", "loading", "stale", "fast"];

export const greetingCommands: readonly ConnectionCommand[] = [
  connection("ping", -1, ["fast"], "Ping the server", "1.0.0", ping),
  connection("echo", 2, ["fast"], "Echo the given string", "1.0.0", ({ request, sink }) => sink.bulk(request.range(1))),
  connection("select", 2, ["loading", "stale", "fast"], "Change the selected database", "1.0.0", select),
  connection("hello", -1, [...CONNECTION_FLAGS, "no_auth", "allow_busy"], "Handshake with Redis", "6.0.0", hello),
  connection("auth", -2, [...CONNECTION_FLAGS, "no_auth", "allow_busy"], "Authenticate to the server", "1.0.0", auth),
  connection("quit", -1, [...CONNECTION_FLAGS, "no_auth", "allow_busy"], "Close the connection", "1.0.0", (call) => {
    call.sink.ok();
    call.client.isClosing = true;
  }),
  connection("reset", 1, [...CONNECTION_FLAGS, "no_auth", "allow_busy"], "Reset the connection", "6.2.0", (call) => {
    call.client.reset();
    call.sink.simple("RESET");
  }),
];

export function connection(
  name: string,
  arity: number,
  flags: readonly RespFlag[],
  summary: string,
  since: string,
  run: (call: RespCall) => void,
): ConnectionCommand {
  return { name, arity, flags, keys: NO_KEYS, group: "connection", summary, since, run };
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

function auth({ request, sink }: RespCall): void {
  if (request.count > 3) sink.error(SYNTAX_ERROR);
  else if (request.count === 2) sink.error(NO_PASSWORD);
  else if (request.text(1) === "default") sink.ok();
  else sink.error(WRONG_PASSWORD);
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
  client.version = protocol;
  client.subscriptions?.versionChanged();
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

/** @returns what a HELLO asks for, or the error. */
function helloOptions(
  request: RespRequest,
  current: 2 | 3,
): { readonly protocol: 2 | 3; readonly name: string | undefined } | string {
  let protocol = current;
  if (request.count > 1) {
    const given = parseDecimal(request.range(1));
    if (given === undefined) return "ERR Protocol version is not an integer or out of range";
    if (given !== 2 && given !== 3) return "NOPROTO unsupported protocol version";
    protocol = given;
  }
  let name: string | undefined;
  for (let word = 2; word < request.count; word++) {
    const left = request.count - 1 - word;
    if (request.is(word, "AUTH") && left >= 2) {
      if (request.text(word + 1) !== "default") return WRONG_PASSWORD;
      word += 2;
    } else if (request.is(word, "SETNAME") && left >= 1) {
      name = request.text(++word);
      if (!isClientName(name)) return BAD_CLIENT_NAME;
    } else {
      return `ERR Syntax error in HELLO option '${request.text(word)}'`;
    }
  }
  return { protocol, name };
}

export const BAD_CLIENT_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";

/** Printable ASCII without space, or empty. */
export function isClientName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}
