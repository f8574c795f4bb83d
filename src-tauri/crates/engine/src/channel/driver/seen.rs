//! What is seen in the sandbox, as the channel shows it: its jobs, and the ports that answer.

use berth_model::{Author, EntryBody, Job, JobId, JobStatus, Preview, ProviderKind};
use berth_store::ChannelRecord;
use berth_tools::jobs::Seen;

use super::{Driver, Listener, Note, State};
use crate::gateway::Gateway;
use crate::jobs;
use crate::scripts::Audited;
use crate::tasks::Task;
use crate::world::World;

/// How many ended jobs a channel shows.
const SHOWN_JOBS: usize = 20;

impl Driver {
    pub(super) async fn job(&mut self, job: Job) {
        self.world.keep_job(&self.record.id, &job).await;
        match self.view.jobs.iter_mut().find(|known| known.id == job.id) {
            Some(known) => *known = job,
            None => self.view.jobs.insert(0, job),
        }
        let mut ended = 0;
        self.view.jobs.retain(|job| {
            ended += usize::from(job.status != JobStatus::Running);
            job.status == JobStatus::Running || ended <= SHOWN_JOBS
        });
        if let Some(live) = &self.live {
            live.changed.notify_one();
        }
    }

    pub(super) async fn jobs(&mut self, mut seen: Vec<Seen>) {
        // On a machine of the person's own there may be other channels' jobs, too.
        if self.record.provider == ProviderKind::Machine {
            seen.retain(|seen| self.view.jobs.iter().any(|known| known.id.as_str() == seen.id));
        }
        let rebooted: Vec<Job> =
            self.view.jobs.iter().filter(|job| was_lost_by_a_reboot(job, &seen)).cloned().collect();
        self.sessions = seen.iter().filter_map(|job| Some((job.pid?, JobId(job.id.clone())))).collect();
        for seen in &seen {
            let known = self.view.jobs.iter().find(|known| known.id.as_str() == seen.id);
            let now = jobs::merge(known, seen);
            let forgotten = known.is_none() && now.status != JobStatus::Running;
            if known != Some(&now) && !forgotten {
                self.job(now).await;
            }
        }
        if !rebooted.is_empty() {
            self.rebooted(rebooted).await;
        }
    }

    /// The machine was started anew under what ran on it: services are started again, the rest is told.
    async fn rebooted(&mut self, jobs: Vec<Job>) {
        let Some(live) = self.live.clone() else { return };
        let (services, ended): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.service);
        let (world, record, notes) = (self.world.clone(), self.record.clone(), self.notes_of_now());
        let task = Task::spawn("services", async move {
            let named = |jobs: &[Job]| jobs.iter().map(|job| job.command.as_str()).collect::<Vec<_>>().join(", ");
            let (mut begun, mut error) = (Vec::new(), None);
            for service in services {
                let audited = Audited { world: &world, channel: (&record.id, &record.name), live: &live };
                match jobs::restart(&audited, &service).await {
                    Ok(job) => {
                        notes.send(Note::Job(job));
                        begun.push(service);
                    }
                    Err(failed) => error = Some(failed),
                }
            }
            let mut text = "The machine was started anew.".to_owned();
            for (what, jobs) in [("With it ended", &ended), ("Started again", &begun)] {
                if !jobs.is_empty() {
                    text.push_str(&format!(" {what}: {}.", named(jobs)));
                }
            }
            world.tell(&record.id, Author::Berth, EntryBody::Notice { text, error }).await;
        });
        if let State::Running { _tasks } = &mut self.state {
            _tasks.push(task);
        }
    }

    /// Services that ran when the sandbox went to sleep, and so are started again. After a crash some may run all along,
    /// which is seen once the sandbox answers.
    pub(super) fn services(&self) -> Vec<Job> {
        self.view
            .jobs
            .iter()
            .filter(|job| job.service && matches!(job.status, JobStatus::Lost | JobStatus::Running))
            .cloned()
            .collect()
    }

    pub(super) async fn ports(&mut self, mut listeners: Vec<Listener>) {
        // Nor is what listens there this channel's, unless one of its jobs does.
        if self.record.provider == ProviderKind::Machine {
            let ours = |session: u32| self.sessions.contains_key(&session);
            listeners.retain(|listener| listener.session.is_some_and(ours));
        }
        let mut fresh = Vec::new();
        for preview in &mut self.view.previews {
            preview.listening = listeners.iter().any(|listener| listener.port == preview.port);
        }
        for listener in &listeners {
            let job = listener.session.and_then(|session| self.sessions.get(&session).cloned());
            if !self.view.previews.iter().any(|preview| preview.port == listener.port) {
                fresh.push(listener.port);
                self.view.previews.push(preview(&self.world, &self.record, listener.port, Some(listener)));
            }
            if let Some(preview) = self.view.previews.iter_mut().find(|preview| preview.port == listener.port) {
                preview.process.clone_from(&listener.process);
                preview.job = job;
            }
        }
        // A port that no longer answers stays while something may bring it back: a job of this channel that runs.
        let jobs_run = self.view.jobs.iter().any(|job| job.status == JobStatus::Running);
        self.view.previews.retain(|preview| preview.listening || jobs_run);
        self.view.previews.sort_by_key(|preview| preview.port);
        let ports: Vec<u16> = self.view.previews.iter().map(|preview| preview.port).collect();
        if ports != self.record.last_ports {
            self.record.last_ports = ports;
            self.keep().await;
        }
        for port in fresh {
            self.world.tell(&self.record.id, Author::Berth, EntryBody::Preview { port }).await;
        }
    }
}

fn was_lost_by_a_reboot(known: &Job, seen: &[Seen]) -> bool {
    let lost = |seen: &Seen| seen.rebooted && seen.id == known.id.as_str();
    known.status == JobStatus::Running && seen.iter().any(lost)
}

pub(super) fn preview(world: &World, record: &ChannelRecord, port: u16, listener: Option<&Listener>) -> Preview {
    Preview {
        port,
        url: Gateway::url_at(world.gateway_port, &record.name, port),
        listening: listener.is_some(),
        process: listener.and_then(|listener| listener.process.clone()),
        job: None,
    }
}
