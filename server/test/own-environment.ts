/**
 * The environment of a server that a test starts: that of the tests without the settings of who runs them. A server would also
 * take what is meant for the tests, as SYNAP_TEST_SOAK is, for a mistyped setting.
 */
export function ownEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SYNAP_")));
}
