/**
 * A first look at an API document in the browser: enough to fill in the form, no more. The server reads the document
 * properly; what is not found here is left to it. Pure.
 */

export type Peek = { title?: string | undefined; upstreamUrl?: string | undefined };

export function peek(text: string): Peek {
  return text.trimStart().startsWith('{') ? peekJson(text) : peekYaml(text);
}

type Document = {
  info?: { title?: unknown };
  servers?: { url?: unknown }[];
  host?: unknown;
  basePath?: unknown;
  schemes?: unknown[];
};

function peekJson(text: string): Peek {
  try {
    const document = JSON.parse(text) as Document;
    const server = Array.isArray(document.servers) ? document.servers[0]?.url : undefined;
    const scheme = Array.isArray(document.schemes) ? document.schemes[0] : undefined;
    return {
      title: written(document.info?.title),
      upstreamUrl:
        absolute(written(server)) ?? swagger(written(scheme), written(document.host), written(document.basePath)),
    };
  } catch {
    return {};
  }
}

/** Reads the few lines that matter; anchors, tags and flow collections are left to the server. */
function peekYaml(text: string): Peek {
  const info = block(text, 'info');
  const servers = block(text, 'servers');
  const schemes = block(text, 'schemes');
  return {
    title: scalar(info, /^\s+title:(.*)$/m),
    upstreamUrl:
      absolute(scalar(servers, /^\s*-?\s*url:(.*)$/m)) ??
      swagger(scalar(schemes, /^\s*-(.*)$/m), scalar(text, /^host:(.*)$/m), scalar(text, /^basePath:(.*)$/m)),
  };
}

/** The lines beneath a top-level key. */
function block(text: string, key: string): string {
  const lines = text.split(/\r?\n/);
  const start = lines.findIndex((line) => line.trimEnd() === `${key}:`);
  if (start < 0) return '';
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^[^\s#-]/.test(line));
  return rest.slice(0, end < 0 ? undefined : end).join('\n');
}

function scalar(text: string, line: RegExp): string | undefined {
  const value = line.exec(text)?.[1]?.trim() ?? '';
  const quoted = /^(["'])(.*)\1/.exec(value);
  return written(quoted ? quoted[2] : value.replace(/\s+#.*$/, ''));
}

function written(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

/** An address that can be called as it stands: neither relative nor with variables. */
function absolute(url: string | undefined): string | undefined {
  return url && /^https?:\/\/[^{}\s]+$/.test(url) ? url : undefined;
}

function swagger(
  scheme: string | undefined,
  host: string | undefined,
  basePath: string | undefined,
): string | undefined {
  return host ? absolute(`${scheme ?? 'https'}://${host}${basePath && basePath !== '/' ? basePath : ''}`) : undefined;
}
