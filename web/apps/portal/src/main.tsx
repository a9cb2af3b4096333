import '@tollgate/ui/styles.css';
import { UiProvider } from '@tollgate/ui';
import { createRoot } from 'react-dom/client';

const root = document.getElementById('root');
if (root) createRoot(root).render(<UiProvider>portal</UiProvider>);
