/** Why an address cannot be listened on, as a sentence for the person who started the server. */

/** @param address with its port, an IPv6 one in brackets. */
export function explainListenFailure(error: NodeJS.ErrnoException, address: string): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `Cannot listen on ${address}: the port is in use; stop the other process or choose another port.`;
    case "EACCES":
      return `Cannot listen on ${address}: this user may not use the port; choose one above 1023.`;
    case "EADDRNOTAVAIL":
      return `Cannot listen on ${address}: this machine does not have the address.`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `Cannot listen on ${address}: the host name is unknown.`;
    default:
      return `Cannot listen on ${address}: ${error.message}.`;
  }
}

export function addressOf(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
