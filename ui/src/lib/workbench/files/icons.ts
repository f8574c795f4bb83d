/** The small picture before a name. */
import Braces from '@lucide/svelte/icons/braces';
import File from '@lucide/svelte/icons/file';
import FileArchive from '@lucide/svelte/icons/file-archive';
import FileCode from '@lucide/svelte/icons/file-code';
import FileCog from '@lucide/svelte/icons/file-cog';
import FileLock from '@lucide/svelte/icons/file-lock';
import FileMusic from '@lucide/svelte/icons/file-music';
import FileTerminal from '@lucide/svelte/icons/file-terminal';
import FileText from '@lucide/svelte/icons/file-text';
import Folder from '@lucide/svelte/icons/folder';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import FolderSymlink from '@lucide/svelte/icons/folder-symlink';
import FileSymlink from '@lucide/svelte/icons/file-symlink';
import Image from '@lucide/svelte/icons/image';
import Plug from '@lucide/svelte/icons/plug';
import type { Component } from 'svelte';
import type { DirEntry } from '$lib/api';
import { languageOf } from '../editor/languages';

type Icon = Component<{ 'aria-hidden'?: 'true' }>;

const IMAGES = /\.(png|jpe?g|gif|webp|avif|svg|ico|bmp)$/i;
const MEDIA = /\.(mp3|wav|ogg|flac|m4a|mp4|webm|mov|mkv)$/i;
const ARCHIVES = /\.(zip|gz|tgz|xz|zst|bz2|tar|7z|rar|whl|jar)$/i;
const LOCKS = /(^|[.-])lock(\.\w+)?$|\.lockb$/i;
const SETTINGS = /\.config\.\w+$|^\.(git|npm|docker|prettier|eslint)\w*$|^\.editorconfig$/i;

export function iconOf(entry: Pick<DirEntry, 'kind' | 'name'>, open: boolean): Icon {
  switch (entry.kind) {
    case 'folder':
      return open ? FolderOpen : Folder;
    case 'link_to_folder':
      return open ? FolderOpen : FolderSymlink;
    case 'link':
      return FileSymlink;
    case 'other':
      return Plug;
    case 'file':
      return fileIcon(entry.name);
  }
}

function fileIcon(name: string): Icon {
  if (IMAGES.test(name)) return Image;
  if (MEDIA.test(name)) return FileMusic;
  if (ARCHIVES.test(name)) return FileArchive;
  if (LOCKS.test(name)) return FileLock;
  if (SETTINGS.test(name)) return FileCog;
  switch (languageOf(name)) {
    case null:
      return /^(readme|licen[cs]e|changelog)|\.(txt|log|rst|csv|tsv)$/i.test(name) ? FileText : File;
    case 'Markdown':
      return FileText;
    case 'JSON':
      return Braces;
    case 'Shell':
      return FileTerminal;
    case 'TOML':
    case 'YAML':
    case 'Properties':
    case 'Nginx':
      return FileCog;
    default:
      return FileCode;
  }
}
