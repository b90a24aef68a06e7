/** The configuration keys of rates, of counts of connections, of TLS and of signed tokens; a part of the section access in schema.ts. */
import { bytes, path, text, whole } from "./setting.ts";

const GB = 2 ** 30;
const ONE_AND_MORE = { default: 0, min: 1, zero: "no limit" } as const;

const requests = (of: string, more = "") =>
  whole("requests/s", {
    ...ONE_AND_MORE,
    max: 1_000_000_000,
    description: `Requests a second ${of}; each command of a batch is one. Past it: RATE_LIMIT_EXCEEDED.${more}`,
  });
const bytesOf = (of: string) =>
  bytes({ ...ONE_AND_MORE, max: 1024 * GB, description: `Bytes of requests a second ${of}.` });

export const ACCESS_LIMITS = {
  token_requests_per_sec: requests("of one token, over all of its connections"),
  token_bytes_per_sec: bytesOf("of one token"),
  address_requests_per_sec: requests(
    "from one address or IPv6 network of 64 bits, pages and handshakes too",
    " `/health` and `/ready` count and are answered even so, on the loopback too, for balancers.",
  ),
  address_bytes_per_sec: bytesOf("from one address"),
  connection_requests_per_sec: requests("of one WebSocket or RESP connection"),
  connection_bytes_per_sec: bytesOf("of one WebSocket or RESP connection"),
  rate_burst_secs: whole("s", {
    default: 2,
    min: 1,
    max: 3600,
    description:
      "How many seconds' worth of a rate may come at once. A batch or a message that costs more passes where nothing was used, if it is no more than six times that; what is larger is PAYLOAD_TOO_LARGE.",
  }),
  login_timeout_secs: whole("s", {
    default: 10,
    min: 1,
    max: 3600,
    zero: "no limit",
    description:
      "How long a WebSocket or RESP connection may take to log in where one has to; what it says meanwhile does not count. A second more may go by.",
  }),
  max_connections_per_address: whole("connections", {
    ...ONE_AND_MORE,
    max: 10_000_000,
    description: "WebSockets, event streams and RESP connections of one address, or of one IPv6 network of 64 bits.",
  }),
} as const;

export const TLS_SETTINGS = {
  tls_cert_file: path({
    description:
      "The server's certificate and those that lead to a root, in PEM. With it every port speaks TLS and nothing else. Read again when it changes.",
  }),
  tls_key_file: path({
    description: "The private key of the certificate, in PEM and without a passphrase.",
  }),
} as const;

export const SIGNED_TOKEN_SETTINGS = {
  jwt_keys_file: path({
    description:
      "A JSON Web Key Set with which signed tokens (JWT) are verified: `oct` keys for HS256, public Ed25519 keys for EdDSA. With it one has to log in. Read again when it changes.",
  }),
  jwt_issuer: text(/^[^\0]{0,1024}$/, {
    default: "",
    allowed: "a string",
    description: "What `iss` of signed tokens has to be; empty for anything.",
  }),
  jwt_audience: text(/^[^\0]{0,1024}$/, {
    default: "",
    allowed: "a string",
    description: "What `aud` of signed tokens has to name; empty for anything.",
  }),
} as const;
