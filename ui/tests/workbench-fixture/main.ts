/** The window over a made-up disk. Never part of the product's bundle. */
import '@fontsource-variable/jetbrains-mono';
import '../../src/lib/workbench/adopted-styles';
import '../../src/styles/fonts.css';
import '../../src/styles/base.css';

import { mount } from 'svelte';
import App from '../../src/App.svelte';
import { sceneNamed } from '../fixture/scenes';
import { DiskBackend } from './backend';

const query = new URLSearchParams(location.search);
const target = document.getElementById('app');
if (!target) throw new Error('no #app');
const backend = new DiskBackend(sceneNamed(query.get('scene') ?? 'channel'));
Object.assign(window, { fixture: backend });
mount(App, { target, props: { backend } });
