const oldest = { major: 22, minor: 13 };

/**
 * Why this Node cannot run leasehold, or `null`. Without it, an old one fails later with a line about some function that
 * it does not know.
 */
export function tooOldNode(version: string): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return null;
  return `leasehold needs Node ${oldest.major}.${oldest.minor} or newer; this is ${version}. Install a newer one, or put it first in PATH`;
}
