/** The magic numbers of statfs(2), from linux/magic.h and the file systems' own sources. */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB2"],
  [0xff534d42, "CIFS"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x7461636f, "OCFS2"],
  [0x01161970, "GFS2"],
]);

/**
 * The name of the network file system with this statfs(2) type, if it is a known one. Network file systems behind
 * FUSE, 9p or a virtual machine's shared folder cannot be told from local ones.
 */
export function networkFileSystem(type: number): string | undefined {
  // Node gives the type as a signed or an unsigned number, as the platform has it.
  return networkFileSystems.get(type >>> 0);
}
