import { expect, it, vi } from "vitest";
import { anonymousGrant, Grant } from "./grant.ts";
import { grantOf } from "./request-access.ts";

const PEER = { address: "10.0.0.1", protocol: "http" };

it.each(["Bearer", "Digest secret", `Basic ${Buffer.from("secret").toString("base64")}`])(
  "turns away who comes with %j, and tells of it once, without a word of it",
  (authorization) => {
    const authenticate = vi.fn(() => new Grant("app", []));
    const turnedAway = vi.fn();
    const access = { isOn: true, newcomer: anonymousGrant(), authenticate, turnedAway };
    const answer = grantOf(access, { authorization, apiKey: "", query: "" }, PEER);
    expect(answer).toMatchObject({ code: "UNAUTHORIZED" });
    expect(authenticate).not.toHaveBeenCalled();
    expect(turnedAway.mock.calls).toEqual([[PEER, expect.not.stringContaining("secret")]]);
  },
);
