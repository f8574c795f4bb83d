import '@fontsource-variable/jetbrains-mono';
import './lib/workbench/adopted-styles';
import './styles/fonts.css';
import './styles/base.css';

import { mount } from 'svelte';
import App from './App.svelte';
import { connect } from './lib/api/connect';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');
mount(App, { target, props: { backend: connect() } });
