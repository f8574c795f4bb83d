/** What a question is called, and what its two answers are. */
import type { Ask } from '$lib/api';
import { plainLine } from '$lib/kit/plain';

interface Words {
  title: string;
  yes: string;
  no: string;
}

export function questionWords(ask: Ask, machine: string): Words {
  switch (ask.kind) {
    case 'host_key':
      return { title: 'Is this the right machine?', yes: 'Trust and connect', no: 'Do not connect' };
    case 'password':
      return { title: `Password for ${plainLine(ask.user, 60)}`, yes: 'Sign in', no: 'Cancel' };
    case 'passphrase':
      return { title: 'Passphrase for a private key', yes: 'Unlock', no: 'Cancel' };
    case 'prompts':
      return { title: `${plainLine(machine, 60)} asks`, yes: 'Answer', no: 'Cancel' };
  }
}

/**
 * Whether a host is another than the machine that is asked for, as far as that one's name and address tell: one on the way
 * there, or what its address means to OpenSSH.
 */
export function isOther(host: string, machine: string, address: string | undefined): boolean {
  return ![machine, address ?? ''].map(bare).includes(bare(host));
}

/** "box.example" of "ada@box.example:22", "ssh://box.example" and "[box.example]:2222". */
function bare(host: string): string {
  const name = host.toLowerCase().replace(/^(?:ssh:\/\/)?(?:.*@)?/, '');
  const bracketed = /^\[(.+)\](?::\d+)?$/.exec(name)?.[1];
  return bracketed ?? (/^[^:]+:\d+$/.test(name) ? name.replace(/:\d+$/, '') : name);
}

/** The command that prints the same fingerprint on the machine itself. */
export function fingerprintCommand(algorithm: string): string {
  const kind = algorithm.includes('ed25519') ? 'ed25519' : algorithm.includes('ecdsa') ? 'ecdsa' : 'rsa';
  return `ssh-keygen -lf /etc/ssh/ssh_host_${kind}_key.pub`;
}
