//! The table of commands, answered.

mod sandbox;

use std::sync::Arc;
use std::time::Duration;

use berth_model::*;
use berth_store::ChannelRecord;
use berth_tools::jobs::Seen;
use berth_tools::{Place, Tool};

use crate::actions::Action;
use crate::channel::{Handle, Wish};
use crate::engine::{Engine, check_name, check_repository, insert, look_around, new_record};
use crate::error::store_error;
use crate::front::lock::Host;
use crate::gateway::Gateway;
use crate::hub::now;
use crate::jobs;
use crate::live::Live;
use crate::machines;
use crate::scripts::{Told, call};

/// The most that a message may be, in bytes.
const MESSAGE: usize = 64 * 1024;
/// How long a port may take to say whether something listens on it.
const PROBE: Duration = Duration::from_secs(2);

impl Engine {
    fn job_of(&self, reference: &JobRef) -> Result<(Arc<Handle>, Job), RpcError> {
        let handle = self.handle(&reference.channel)?;
        let job = handle.channel().jobs.into_iter().find(|job| job.id == reference.job);
        let job = job.ok_or_else(|| {
            RpcError::new(ErrorCode::NotFound, format!("There is no job {} in this channel.", reference.job))
                .hint("`job.list` names the jobs there are.")
        })?;
        Ok((handle, job))
    }

    /// Does something about a job: an action like any other, but what it did is seen in the job's own card.
    async fn on_job<T: Tool<Output = Seen> + Send + Sync + 'static>(
        &self,
        handle: &Arc<Handle>,
        caller: &Author,
        what: &str,
        known: &Job,
        tool: T,
    ) -> Result<Seen, RpcError> {
        let subject = format!("{what} {}", known.command);
        let action = sandbox::action(self, handle, caller, Verb::Run, &subject);
        Action { quiet: true, ..action }
            .perform(|runner| Box::pin(async move { runner.tool(&tool).await }), |_| Told::default())
            .await
    }
}

/// Whether something listens on a port of the sandbox.
async fn answers(live: &Live, port: u16) -> bool {
    let probe = async {
        live.session.forward_tcp("127.0.0.1", port).await.is_ok() || live.session.forward_tcp("::1", port).await.is_ok()
    };
    tokio::time::timeout(PROBE, probe).await.unwrap_or(false)
}

impl Commands for Engine {
    async fn app_snapshot(&self, _: &Author, _: Empty) -> Result<Snapshot, RpcError> {
        Ok(self.0.world.hub.snapshot())
    }

    async fn app_check(&self, _: &Author, _: Empty) -> Result<Snapshot, RpcError> {
        look_around(&self.0.world).await;
        Ok(self.0.world.hub.snapshot())
    }

    async fn app_info(&self, _: &Author, _: Empty) -> Result<AppInfo, RpcError> {
        let config = self.config();
        Ok(AppInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: match config.host {
                Host::App => "app".to_owned(),
                Host::Headless => "headless".to_owned(),
            },
            data_dir: config.folders.data.display().to_string(),
            gateway_port: self.0.world.gateway_port,
            mcp_url: self.0.mcp.get().map(|(url, _)| url.clone()),
            mcp_token_file: self.0.mcp.get().map(|(_, file)| file.display().to_string()),
            berthctl: crate::openssh::berthctl().display().to_string(),
            pid: std::process::id(),
        })
    }

    async fn app_focus(&self, _: &Author, request: AppFocus) -> Result<Empty, RpcError> {
        let channel = match request.channel {
            Some(channel) => Some(self.handle(&channel)?.id()),
            None => None,
        };
        self.0.world.hub.event(EventBody::Focus { channel, port: request.port });
        Ok(Empty {})
    }

    async fn settings_set(&self, _: &Author, settings: Settings) -> Result<Settings, RpcError> {
        let name = settings.space_name.trim();
        if name.is_empty() || name.chars().count() > 60 {
            return Err(RpcError::new(ErrorCode::BadRequest, "A space’s name has 1 to 60 characters."));
        }
        let settings = Settings { space_name: name.to_owned(), ..settings };
        self.0.world.store.set_settings(settings.clone()).await.map_err(store_error)?;
        self.0.world.hub.settings(settings.clone());
        Ok(settings)
    }

    async fn channel_create(&self, caller: &Author, request: ChannelCreate) -> Result<Channel, RpcError> {
        check_name(&request.name)?;
        if let Start::Git { url } = &request.start {
            check_repository(url)?;
        }
        let record = match request.provider {
            ProviderKind::Local => {
                let (name, start) = (request.name, request.start);
                let record = new_record(&self.0.world, ChannelId::fresh(), name, SandboxState::Wanted, start);
                ChannelRecord { network: request.network, ..record }
            }
            ProviderKind::Machine => machines::record(self, &request)?,
        };
        Ok(insert(self, record, caller).await?.channel())
    }

    async fn channel_list(&self, _: &Author, _: Empty) -> Result<ChannelList, RpcError> {
        Ok(ChannelList { channels: self.channels() })
    }

    async fn channel_get(&self, _: &Author, request: ChannelGet) -> Result<Channel, RpcError> {
        let handle = self.handle(&request.channel)?;
        let Some(seconds) = request.wait_s else { return Ok(handle.channel()) };
        let wait = Duration::from_secs(seconds.min(600).into());
        Ok(tokio::time::timeout(wait, handle.settled()).await.unwrap_or_else(|_| handle.channel()))
    }

    async fn channel_rename(&self, _: &Author, request: ChannelRename) -> Result<Channel, RpcError> {
        check_name(&request.name)?;
        let handle = self.handle(&request.channel)?;
        handle.rename(request.name).await?;
        Ok(handle.channel())
    }

    async fn channel_loss(&self, _: &Author, request: ChannelName) -> Result<Loss, RpcError> {
        let handle = self.handle(&request.channel)?;
        let channel = handle.channel();
        let running = channel.jobs.iter().filter(|job| job.status == JobStatus::Running).count();
        // Nobody's sandbox is started to be asked what its end would lose: one that sleeps or failed says nothing.
        let git = match handle.live_now() {
            Some(live) => {
                let tool = berth_tools::GitLoss { at: Place::here(&channel.workdir) };
                call(&live.session, &tool).await.ok()
            }
            None => None,
        };
        Ok(Loss {
            uncommitted: git.as_ref().and_then(|git| git.uncommitted),
            unpushed: git.as_ref().and_then(|git| git.unpushed),
            running_jobs: u32::try_from(running).unwrap_or(u32::MAX),
        })
    }

    async fn channel_destroy(&self, _: &Author, request: ChannelName) -> Result<Empty, RpcError> {
        let handle = self.handle(&request.channel)?;
        let id = handle.id();
        leaving(&handle).await;
        handle.wish(Wish::Destroy).await?;
        self.0.forwards.close_channel(&self.0.world, &id).await;
        self.0.transfers.forget_channel(&self.0.world, &id).await;
        self.0.channels.remove(&id);
        Ok(Empty {})
    }

    async fn timeline_list(&self, _: &Author, request: TimelineList) -> Result<Timeline, RpcError> {
        let id = self.handle(&request.channel)?.id();
        let limit = request.limit.unwrap_or(200).clamp(1, 1_000);
        self.0.world.store.timeline(&id, request.before, limit).await.map_err(store_error)
    }

    async fn message_post(&self, caller: &Author, request: MessagePost) -> Result<Entry, RpcError> {
        let handle = self.handle(&request.channel)?;
        let text = request.text.trim();
        if text.is_empty() || text.len() > MESSAGE {
            return Err(RpcError::new(ErrorCode::BadRequest, "A message has some text, and at most 64 KiB of it."));
        }
        let body = EntryBody::Message { text: text.to_owned() };
        Ok(self.0.world.tell(&handle.id(), caller.clone(), body).await)
    }

    async fn sandbox_sleep(&self, _: &Author, request: ChannelName) -> Result<Channel, RpcError> {
        let handle = self.handle(&request.channel)?;
        leaving(&handle).await;
        handle.wish(Wish::Sleep).await?;
        Ok(handle.channel())
    }

    async fn sandbox_wake(&self, _: &Author, request: ChannelName) -> Result<Channel, RpcError> {
        let handle = self.handle(&request.channel)?;
        handle.wish(Wish::Wake).await?;
        Ok(handle.channel())
    }

    async fn sandbox_ssh(&self, _: &Author, request: ChannelName) -> Result<SshAccess, RpcError> {
        let handle = self.handle(&request.channel)?;
        let live = handle.live().await?;
        Ok(crate::openssh::access(&handle.channel(), &live.target, &self.config().folders))
    }

    async fn machine_list(&self, _: &Author, _: Empty) -> Result<MachineList, RpcError> {
        Ok(MachineList { machines: self.0.world.hub.machines_now() })
    }

    async fn machine_add(&self, _: &Author, request: MachineAdd) -> Result<Machine, RpcError> {
        machines::add(self, request).await
    }

    async fn machine_change(&self, _: &Author, request: MachineChange) -> Result<Machine, RpcError> {
        machines::change(self, request).await
    }

    async fn machine_remove(&self, _: &Author, request: MachineName) -> Result<Empty, RpcError> {
        machines::remove(self, &request.machine).await
    }

    async fn machine_hosts(&self, _: &Author, _: Empty) -> Result<ConfigHosts, RpcError> {
        machines::hosts(self).await
    }

    async fn machine_check(&self, _: &Author, request: MachineName) -> Result<CheckReport, RpcError> {
        machines::check(self, &request.machine).await
    }

    async fn sandbox_check(&self, _: &Author, request: ChannelName) -> Result<CheckReport, RpcError> {
        machines::check_channel(self, &request.channel).await
    }

    async fn check_cancel(&self, _: &Author, request: CheckOf) -> Result<Empty, RpcError> {
        self.0.world.checks.cancel(&request);
        Ok(Empty {})
    }

    async fn machine_forget_key(&self, _: &Author, request: KeyForget) -> Result<Empty, RpcError> {
        machines::forget_key(self, request).await
    }

    async fn question_answer(&self, _: &Author, request: QuestionAnswer) -> Result<Empty, RpcError> {
        self.0.world.questions.answer(request)
    }

    async fn question_refuse(&self, _: &Author, request: QuestionName) -> Result<Empty, RpcError> {
        self.0.world.questions.refuse(&request.question)
    }

    async fn transfer_upload(&self, caller: &Author, request: TransferUpload) -> Result<Transfer, RpcError> {
        let handle = self.handle(&request.channel)?;
        self.0.transfers.upload(&self.0.world, handle, caller, request.from, &request.to)
    }

    async fn transfer_download(&self, caller: &Author, request: TransferDownload) -> Result<Transfer, RpcError> {
        let handle = self.handle(&request.channel)?;
        let what = (request.from, request.to);
        self.0.transfers.download(&self.0.world, handle, caller, what, request.replace)
    }

    async fn transfer_stop(&self, _: &Author, request: TransferName) -> Result<Transfer, RpcError> {
        self.0.transfers.stop(&request.transfer).await
    }

    async fn transfer_resume(&self, _: &Author, request: TransferName) -> Result<Transfer, RpcError> {
        self.0.transfers.resume(&request.transfer).await
    }

    async fn transfer_dismiss(&self, _: &Author, request: TransferName) -> Result<Empty, RpcError> {
        self.0.transfers.dismiss(&request.transfer)
    }

    async fn transfer_list(&self, _: &Author, _: Empty) -> Result<TransferList, RpcError> {
        Ok(TransferList { transfers: self.0.world.hub.snapshot().transfers })
    }

    async fn forward_open(&self, _: &Author, request: ForwardOpen) -> Result<Forward, RpcError> {
        let handle = self.handle(&request.channel)?;
        self.0.forwards.open(&self.0.world, handle, request).await
    }

    async fn forward_close(&self, _: &Author, request: ForwardName) -> Result<Empty, RpcError> {
        self.0.forwards.close(&self.0.world, &request.forward).await
    }

    async fn forward_list(&self, _: &Author, _: Empty) -> Result<ForwardList, RpcError> {
        Ok(ForwardList { forwards: self.0.world.hub.snapshot().forwards })
    }

    async fn action_read(&self, caller: &Author, request: ActionRead) -> Result<FileRead, RpcError> {
        sandbox::read(self, caller, request).await
    }

    async fn action_write(&self, caller: &Author, request: ActionWrite) -> Result<FileWritten, RpcError> {
        sandbox::write(self, caller, request).await
    }

    async fn action_edit(&self, caller: &Author, request: ActionEdit) -> Result<FileEdited, RpcError> {
        sandbox::edit(self, caller, request).await
    }

    async fn action_glob(&self, caller: &Author, request: ActionGlob) -> Result<GlobResult, RpcError> {
        sandbox::glob(self, caller, request).await
    }

    async fn action_grep(&self, caller: &Author, request: ActionGrep) -> Result<GrepResult, RpcError> {
        sandbox::grep(self, caller, request).await
    }

    async fn action_list(&self, caller: &Author, request: ActionList) -> Result<Listing, RpcError> {
        sandbox::list(self, caller, request).await
    }

    async fn action_stat(&self, caller: &Author, request: ActionStat) -> Result<FileStat, RpcError> {
        sandbox::stat(self, caller, request).await
    }

    async fn action_move(&self, caller: &Author, request: ActionMove) -> Result<FileStat, RpcError> {
        sandbox::rename(self, caller, request).await
    }

    async fn action_delete(&self, caller: &Author, request: ActionDelete) -> Result<Empty, RpcError> {
        sandbox::delete(self, caller, request).await
    }

    async fn action_run(&self, caller: &Author, request: ActionRun) -> Result<RunResult, RpcError> {
        sandbox::run(self, caller, request).await
    }

    async fn action_cancel(&self, _: &Author, request: ActionCancel) -> Result<Empty, RpcError> {
        if self.handle(&request.channel)?.cancel(&request.action) {
            return Ok(Empty {});
        }
        Err(RpcError::new(ErrorCode::NotFound, "No such action runs now. It may have just ended."))
    }

    async fn job_list(&self, _: &Author, request: ChannelName) -> Result<JobList, RpcError> {
        Ok(JobList { jobs: self.handle(&request.channel)?.channel().jobs })
    }

    async fn job_output(&self, _: &Author, request: JobOutput) -> Result<JobOutputPart, RpcError> {
        let reference = JobRef { channel: request.channel, job: request.job };
        let (handle, known) = self.job_of(&reference)?;
        let live = handle.live().await?;
        let tail = berth_tools::jobs::Tail {
            id: known.id.0.clone(),
            offset: request.offset.unwrap_or(0),
            limit: request.limit.unwrap_or(65_536).clamp(1, 1_048_576),
        };
        let wait = Duration::from_millis(request.wait_ms.unwrap_or(0).min(30_000).into());
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let part = call(&live.session, &tail).await?;
            let job = jobs::merge(Some(&known), &part.job);
            let ended = job.status != JobStatus::Running;
            if !part.bytes.is_empty() || ended || tokio::time::Instant::now() >= deadline {
                return Ok(JobOutputPart {
                    text: String::from_utf8_lossy(&part.bytes).into_owned(),
                    offset: part.offset,
                    next_offset: part.next_offset,
                    size: part.size,
                    job,
                });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn job_stop(&self, caller: &Author, request: JobRef) -> Result<Job, RpcError> {
        let (handle, known) = self.job_of(&request)?;
        let job = match handle.live_now() {
            Some(_) => {
                let tool = jobs::end(&known);
                let seen = self.on_job(&handle, caller, "Stop", &known, tool).await?;
                jobs::merge(Some(&known), &seen)
            }
            // Nothing runs in a sandbox that sleeps; it is not to be started again either.
            None => Job { status: JobStatus::Stopped, ended_at: known.ended_at.or(Some(now())), ..known },
        };
        handle.job(job.clone()).await;
        Ok(job)
    }

    async fn job_restart(&self, caller: &Author, request: JobRef) -> Result<Job, RpcError> {
        let (handle, known) = self.job_of(&request)?;
        let tool = jobs::again(&known);
        let seen = self.on_job(&handle, caller, "Restart", &known, tool).await?;
        let job = jobs::job(&seen, known.service, None);
        handle.job(job.clone()).await;
        Ok(job)
    }

    async fn preview_list(&self, _: &Author, request: ChannelName) -> Result<PreviewList, RpcError> {
        Ok(PreviewList { previews: self.handle(&request.channel)?.channel().previews })
    }

    async fn preview_open(&self, caller: &Author, request: PreviewOpen) -> Result<Preview, RpcError> {
        let handle = self.handle(&request.channel)?;
        if request.port == 0 {
            return Err(RpcError::new(ErrorCode::BadRequest, "Port 0 cannot be opened."));
        }
        let live = handle.live().await?;
        let channel = handle.channel();
        if *caller != Author::Person {
            self.0.world.hub.event(EventBody::Focus { channel: Some(channel.id.clone()), port: Some(request.port) });
        }
        let known = channel.previews.into_iter().find(|preview| preview.port == request.port);
        let mut preview = known.unwrap_or_else(|| Preview {
            port: request.port,
            url: Gateway::url_at(self.0.world.gateway_port, &channel.name, request.port),
            listening: false,
            process: None,
            job: None,
        });
        // A server that was just started is not in the list yet, and one that came back may not be marked so.
        if !preview.listening && answers(&live, request.port).await {
            preview.listening = true;
            live.changed.notify_one();
        }
        Ok(preview)
    }

    async fn audit_list(&self, _: &Author, request: AuditList) -> Result<Audit, RpcError> {
        let channel = match request.channel {
            Some(channel) => Some(self.handle(&channel)?.id()),
            None => None,
        };
        let limit = request.limit.unwrap_or(200).clamp(1, 1_000);
        let rows = self.0.world.store.audit(channel.as_ref(), request.before, limit).await.map_err(store_error)?;
        Ok(Audit { rows })
    }

    async fn engine_stop(&self, _: &Author, _: Empty) -> Result<Empty, RpcError> {
        self.stop();
        Ok(Empty {})
    }
}

/// A machine of the person's own stays when its channel leaves it, and what an action runs on it would, too.
async fn leaving(handle: &Handle) {
    if handle.channel().provider == ProviderKind::Machine {
        handle.stop_actions().await;
    }
}
