"""The words of questions about recorded data. Everything that is read of them stands in these tables."""

from collections.abc import Mapping

from weft.language.lexicon import METRICS, SYMPTOMS, words

__all__ = ["KIND_WORDS"]

KIND_WORDS: Mapping[str, frozenset[str]] = {
    "changes": words("""
        change changed changes changing deploy deployed deploys deployment deployments redeployed
        release released releases rollout rollouts config configs configuration configurations
        reconfigured flag flags toggle toggled toggles migration migrations migrated upgrade upgraded upgrades
        feature-flag feature-flags modified altered shipped ship touched touch flip flipped
    """),
    "moment": words("onset"),
    "fix": words("remediation mitigation workaround remedy remedies"),
    "calls": words("""
        depend depends depending dependency dependencies deps dependent dependents upstream upstreams
        downstream downstreams caller callers callee callees topology consumes consumer consumers consume
    """),
    "affected": words(
        "affected unaffected impacted suffering suffer suffers hit hurt harmed damaged damage"
    ),
    "worst": words(
        "worst sickest weakest unhealthiest offender offenders suspect suspects suspicious"
    ),
    "recovery": words("recovered recover recovering recovery resolved finished mttr still calmed"),
    "summary": words("""
        summary summarize summarise summarized summarised overview tldr recap gist digest synopsis
        briefing situation brief handover hand-over writeup write-up
    """),
    "timeline": words("timeline chronology chronological chronologically timelines"),
    "evidence": words("evidence proof prove sources provenance"),
    "slowest": words("""
        slowest longest bottleneck bottlenecks slow slower latency latencies lag sluggish duration
        durations p50 p90 p95 p99 percentile percentiles hotspot hotspots laggy heaviest costliest
    """),
    "errors": words("""
        error errors exception exceptions failure failures fault faults failing failed fails crash
        crashes crashing crashed 5xx 4xx stacktrace stacktraces traceback tracebacks warning
        warnings timeouts broken erroring
    """),
    "health": words("""
        healthy unhealthy health ok okay fine alive normal normally status state up running working
        well good stable sane degraded
    """),
    "metric": words("""
        throughput cpu memory usage utilization utilisation rps qps disk bandwidth saturation uptime
        availability traffic load queue heap threads connections
    """),
    "cause": words("""
        why cause causes caused causing culprit culprits reason reasons blame root-cause rootcause rca
        responsible guilty trigger triggered origin explanation postmortem post-mortem
    """),
}
"""A word of one of these shows the kind of a question, where nothing nearer does."""

MEASURES: Mapping[str, str] = {
    "cpu": "cpu", "memory": "memory heap rss resident", "disk": "disk fs_ filesystem",
    "throughput": "per_second rps qps throughput rate", "traffic": "per_second rps requests bytes",
    "rps": "per_second rps", "qps": "per_second qps", "load": "load per_second",
    "bandwidth": "byte network", "network": "byte packet network", "saturation": "waiting lag queue",
    "uptime": "up", "availability": "up availab", "connections": "connection pool in_use",
    "heap": "heap memory resident", "second": "per_second", "threads": "thread", "queue": "queue waiting lag", "utilization": "ratio percent utili",
}  # fmt: skip
"""How metrics may be named that a word asks for."""

KIND_PHRASES: Mapping[str, str] = {
    "changes": "roll out; diff since; what's new; what is new; what is different; what's different; rolled out; rolled back; "
    "turned on; turned off; switched on; switched off; went live; pushed to",
    "errors": "stack traces; stack trace; log errors; error messages; error lines",
    "timeline": "story in order; the whole story; came first; comes first; happened first; sequence of events; sequence of things; order of things; order of events; step by step; in order; what happened; "
    "events between; events before; events after; series of events; history of",
    "moment": "since when; when did; when was; when were; when has; when have; when is; when does; "
    "how long; what time; which time; from when; first error; first errors; first failure; at what; what moment; which moment; which minute; which second; which hour; what point; "
    "first sign; first signs; start time; begin time; of onset; the onset; start of the; beginning of the; first occurrence; onset of; time of onset; how early; exact time; "
    "occurrence time",
    "recovery": "is it over; is this over; incident over; outage over; still happening; still going; "
    "still down; still ongoing; still broken; still failing; still slow; did it end; did this end; over yet; "
    "it recover; back to normal; are we back; is it fixed; is it finished; problem finished; problem over; "
    "behind us; getting worse; getting better; getting any; everything back; back to how; as it was; any better; any worse; better now; worse now; back down; ok again; okay again; fine again; normal again; healthy again; up again; when did it end; issue over; has it stopped; did it stop; all clear; over now; is it done; problem finish; it all over",
    "summary": "catch me up; catch us up; bring me up to speed; up to speed; fill me in; in short; "
    "in a nutshell; in a few words; in one sentence; overall picture; brief me; brief us; executive summary; exec summary; what am i looking at; what are we looking at; what do we know; short version; plain words; simple words; simple terms; plain english; like i'm five; explain it to; second version; minute version; "
    "how bad; how severe; how serious; big picture; status update; status report; current status; "
    "state of affairs; where do we stand; where are we; resume of; sum it up; sum up; "
    "what's the story; what is the story; tl dr; write up",
    "calls": "services use; service uses; services using; components use; who calls; what calls; which services call; who is calling; what is calling; who uses; "
    "what uses; talks to; talking to; talk to; call chain; call graph; call tree; service map; called by; "
    "relies on; rely on; relies upon; rely upon; sends requests to; send requests to; relying on; connected to; does it call; service graph; is used by; that call",
    "affected": "blast radius; customer impact; user impact; business impact; what is the impact; "
    "what's the impact; who else; which customers; how far does it; how far has it; how widespread",
    "worst": "top offender; bad apple; most affected; biggest problem; biggest problems; rank the services; "
    "have problem; have problems; has problem; has problems; has a problem; have issues; has issues; "
    "in trouble; the weakest link; weakest link; where is the problem; where's the problem; where's the fault; where is the fault; where's the issue; where is the issue; is the problem; doing worst; "
    "least healthy; look at first; look first; look into first; check first; start looking; to start; do i start; should we start; most unhealthy; most broken; worst performing",
    "count": "amount of; how much requests; how much request; error count; errors count; count errors; how many; number of; count of; count the; how often; how much traffic; total number",
    "rate": "error rate; error-rate; failure rate; error ratio; failure ratio; success rate; "
    "error percentage; failure percentage; what share; what fraction; what percentage; which share; percentage of; fraction of; share of; proportion of; ratio of; "
    "what portion; percent of",
    "fix": "would you do; make it stop; make this stop; get out of this; your recommendation; your recommendations; your advice; your suggestion; how do i fix; how do we fix; how to fix; how can i fix; how can we fix; how should we fix; "
    "how should i fix; what should i do; what should we do; what can we do; what can i do; next steps; "
    "next step; what to do; how do i mitigate; how do we mitigate; how to mitigate; how to resolve; "
    "how do i resolve; how do we resolve; how would you fix; suggest a fix; propose a fix; "
    "recommended fix; what do you recommend; how can this be fixed; how could this be fixed; "
    "what do i do; what do we do; what now; how do i stop; how do we stop; how to stop; remedy for; way out; you recommend; you suggest; you advise; rollback what; roll back what; "
    "what to roll back; what to revert; what to undo; how can repair; how to repair; how fix; "
    "how solve; how to solve; way to fix; way to stop; workaround for",
    "compare": "difference between; differences between; compared to; compared with; worse than; "
    "better than; which of; slower than; faster than; more errors than",
    "evidence": "you base; base this; base that; rests on; rest on; based on; get that from; get this from; know that from; conclude that; come to that; how sure; how certain; how confident; so sure; how reliable; how do you know; how do we know; are you sure; based on what; says who; show me why",
    "services": "which services are there; which services exist; list the services; list services; "
    "list all services; what services; enumerate the services; enumerate the microservices; is running in; is running here; show the services; show services; name the services; "
    "what components; which components are there; what data; how many services; how many components; "
    "how many microservices; how many apps; list of services; list of components; services exist; "
    "list of all services; services do we; services do you; services are running; services run; "
    "services there are; services are in; count the services; number of services; inventory of services; "
    "all the services; services in this; services in the; services of this",
    "slowest": "is the time going; where the time goes; time going; time being spent; how fast is; how slow is; hot spots; hot spot; takes the longest; took the longest; most time; time is spent; time spent; "
    "time goes; spends its time; response time; response times; takes so long; take so long; "
    "how long do; how long does",
    "health": "how is; how's; how are; doing well",
    "cause": "what went wrong; what's wrong; what is wrong; going on; happening here; what broke; "
    "root cause; who is to blame; at fault; where does it come from; where is the problem; what is up with; "
    "what's up with; come from; behind it; behind this; behind that; is behind; what's behind; lies behind; what made; what makes; what keeps; what slows; what slowed",
}
"""The same for several words in a row; the longest phrase counts before any word."""

SERVICE_WORDS = words("services components microservices apps applications")
"""Alone, one of these asks for their names."""

NOUNS = words("""
    error errors exception exceptions failure failures fault faults crash crashes warning warnings timeouts
    stacktraces traceback latency latencies duration durations percentile percentiles p50 p90 p95 p99
    health status state throughput cpu memory usage utilization utilisation rps qps disk bandwidth
    saturation uptime availability traffic load bottleneck bottlenecks hotspot hotspots
    queue heap threads connections time times rate
""")
"""What a request of few words without a verb wants to see, first or last in it: `checkout latency`."""

BEGINNINGS = words("""
    start started starts starting begin began begun begins broke break onset occur occurred happen
    happened go went turned become became
""")
"""With `when` they ask for the moment."""

MENDING = words("fix repair mitigate remedy undo revert resolve solve remediate")
"""With `how` or `what` they ask for a way out."""

SUPERLATIVES = words("slowest longest bottleneck bottlenecks hotspot hotspots heaviest costliest")
LISTING = words(
    "tell telling giving showing show list display print check find get give see search grep which what any whose got have"
)
"""Openers after which a symptom is what is asked for."""

DEMANDING = words("""
    why diagnose diagnosis debug investigate troubleshoot analyze analyse inspect examine triage
    postmortem post-mortem rca
""")
"""Openers of a call for a diagnosis, whatever else the sentence names."""

CALLS = words(
    "diagnose debug investigate troubleshoot triage rca root-cause postmortem post-mortem"
)
"""Openers that ask for nothing but a diagnosis."""

TELEMETRY = (
    words("""
    log logs logging trace traces span spans metric metrics telemetry alert alerts alertname alerting
    dashboard dashboards pagerduty opsgenie alertmanager grafana prometheus kibana datadog sentry jaeger loki opentelemetry
    microservice microservices pod pods container containers deployment deployments
    deploy deploys deployed rollout incident incidents outage outages downtime rca postmortem
    post-mortem root-cause bottleneck bottlenecks backend backends frontend endpoint endpoints
    timeline upstream downstream dependency dependencies slo slos sla latencies throttling
    saturation 5xx 4xx stacktrace traceback feature-flag prod production on-call oncall severity
    queue queues replica replicas node nodes cluster rollback regression
""")
    | SYMPTOMS
    | METRICS - words("memory traffic requests")
)
"""A word of these says that a question is about running systems."""

ON_CALL = (TELEMETRY - SYMPTOMS - METRICS - words("queue queues node nodes alert alerts")) | words(
    "incident outage exception exceptions timeouts"
)
"""Those that people use of their systems only, whoever talks."""

OPERATIONS = words("""
    restart restarts restarted restarting reboot rebooted rebooting redeploy redeployed redeploying rollback rollbacks
    failover
""")
"""What is done to what runs; who asks whether to do it means theirs, unless they say whose it is."""

HALF = words("""
    service services request requests memory traffic health healthy unhealthy change changed changes flag flags release
    released config configuration cause caused culprit wrong unusual weird odd strange suspicious
    abnormal affected impacted impact api site website app application system systems database db
    server servers instance host hosts call calls problem problems issue issues happened happen
    happening start started begin began users customers clients normal anomalous unresponsive
    investigate diagnose debug triage troubleshoot analyze fix mitigate evidence down slow
    responding respond connection connections pool load user customer recover recovered
    trouble troubles feature slowest slower longest percentile percentiles operation operations
    culprit bug bugs code components component failed fail broke breaking deploying
""")
"""Two of these say it together, and one does beside a time or a name."""

POINTING = """
    catch me up; catch us up; up to speed; fill me in; what am i looking at; what are we looking at;
    what do we know; how bad; how severe; how serious; back to normal; has it recovered; over yet;
    call chain; call graph; call tree; service map; blast radius; who else is; is suffering; are suffering;
    got paged; been paged; customer impact; user impact; bad apple; top offender; go wrong;
    where do we look first; where do i look first; where should we look; any trouble; where's the fault; where is the fault; where's the issue; where is the issue;
    where is the problem; where's the problem; blew up;
    what happened; what's happening; what is happening; what's going on; what is going on; what changed;
    what has changed; what's wrong; what is wrong; what went wrong; what broke; what is broken;
    what's broken; how do i fix it; how do we fix it; how do i fix this; how do we fix this; how to fix it;
    how to fix this; what should we do; when did it; when did this; when did that; since when;
    did it start; did this start; is it over; is this over; is it still; is everything; are we ok;
    are we down; are we up; anything unusual; anything weird; anything odd; anything strange;
    anything wrong; anything i should know; anything we should know; anything to know; anything suspicious; anything abnormal; something wrong; something weird;
    something strange; something odd; what do you see; what can you see; sequence of events;
    give me a summary; give me an overview; current status; status report; status update;
    what evidence; whats wrong; whats broken; whats going on; whats happening; whats up;
    what's up; what is up; who is to blame; what's the problem; what is the problem; what's the issue;
    what is the issue; is there a problem; is there an issue; any problem; any problems; any issue;
    any issues; any idea what; root cause; what's different; what is different; what's new; how bad is it;
    how bad is this; how long has it; how long has this; is it down; is it up; are they ok
"""
"""Phrases with which a question points at what is at hand, and names nothing else."""

BREAKING = words("""
    break breaks broken fail fails happen happens affected impacted stop stops suffer suffers down hit
""")
"""What may become of others `if` something is not there."""

BLAMED = words("problem cause culprit reason bottleneck issue fault blame source trouble")
"""What is asked of a service: `is kafka the problem?`."""

STATES = words("""
    healthy unhealthy ok okay fine alive normal up down running working stable broken affected impacted
    degraded available reachable responsive overloaded slow fast faster slower worse guilty sick doing
    behaving behaves failing responding stuck dead faulty weird odd strange wrong off
""")
"""What can be asked of a service: `is cart ok?`, `how is cart doing?`."""

FAULTS = """
    time out; times out; timing out; timed out; went down; goes down; going down; fell over; falls over;
    not responding; no response; out of memory; blew up; blowing up; keeps restarting; stopped working;
    does not work; not working; takes forever; taking forever; take forever; too long; got stuck;
    on fire; nothing works; white page; blank page; spinning forever; bad gateway; no longer
"""
"""Phrases with which people tell that something does not work."""

CANNOT = words("""
    can't cannot cant couldn't don't dont doesn't doesnt isn't isnt aren't arent won't wont didn't
    didnt unable never hardly wasn't weren't not no
""")
"""A statement with one of these tells of something that does not work."""

PERSONAL = words("""
    i i'm i'd i've i'll im my mine me myself you your yours you're yourself he she his him hers
    hello hi hey thanks thank bye goodbye
""")
"""Words of talk about persons: with them, a question is about systems only where more says so."""

OWNED = words("my mine his hers your yours their")

EVERYDAY = words("""
    joke jokes poem story song songs weather recipe recipes movie movies translate translation spell define
    definition synonym synonyms meaning capital president population restaurant restaurants hotel flight
    flights music lyrics album actor actress celebrity football soccer baseball basketball game games
    child children kid kids parent parents mother father mom dad wife husband baby dog dogs cat cats pet pets
    birthday wedding vacation holiday luggage passport homework school college university degree
    blood disease illness doctor medicine diet calories vitamin vitamins insomnia health-insurance
    cook bake eat drink food meal dinner lunch breakfast pizza coffee trash laundry kitchen furniture
    country countries planet planets earth ocean mountain river bridge airport airports highway road roads
    tunnel driving tax taxes salary mortgage nasdaq stocks lottery jobless homeless hollywood
    america europe china france germany england london paris
""")
"""Words of daily life and of the world: with one of them, nothing less than two signs says systems."""

OPENING_FOLLOW_UPS = ("and", "what about", "how about", "but", "also", "or", "then")
"""How a request begins that goes on with another."""
FOLLOWING = (
    "since when", "why", "why not", "when", "where", "how", "show the evidence", "show evidence",
    "evidence", "the evidence", "are you sure", "how do you know", "show me", "show more", "more",
    "details", "more details", "go on", "really", "what else", "anything else", "who", "which one",
    "which", "how many", "how long",
)  # fmt: skip
"""The same for one of a few words."""

HELPING = words("help usage options capabilities manual hello hi hey")
HELP = """
    what can you do; what do you do; what can i ask; what can i do here; who are you; what are you;
    how do i use; how does this work; how do you work; what can this; what are you able; what do you know;
    what else can you; which questions can; what questions can; what can we ask; what is this;
    what you can do; what you can help; you can help with; can you help with; who you are; are you a bot;
    are you a robot; are you a human; are you human; are you a person; are you an ai; are you good at
"""

GENERIC = words("""
    it this that they them everything anything something nothing everyone nobody someone all any some
    each other others there here where when what which who whom whose why how thing things stuff
    problem problems issue issues incident incidents outage error errors failure failures request
    requests response responses latency trace traces span spans log logs metric metrics alert alerts
    service services system systems site website app application component components server servers
    data database databases user users customer customers client clients people team everybody
    operation operations call calls query queries time times minute minutes hour hours day days
    morning afternoon evening night today yesterday now moment start beginning end change changes
    deploy deployment deployments release releases flag flags config code line lines message messages
    rate rates number count total average median percentile p50 p90 p95 p99 cpu memory disk network
    traffic load throughput slow slower slowest fast high higher highest low lower up down ok okay
    fine healthy unhealthy health status state timeline summary report overview root cause causes
    reason culprit evidence proof question answer list order step steps event events one ones first last
    next previous most more less least many much long longest bottleneck diagnosis analysis
    postmortem post-mortem impact fix mitigation recommendation sure happening happened going
    window period slowdown spike bad worse worst good better best new old normal unusual weird odd
    strange wrong production prod staging please thanks detail details info information timeouts
    timeout exception exceptions crash crashes warning warnings firing backend frontend-side
    is are was were be been being do does did done has have had can could should would will may
    might the a an of in on at by for from to with without and or but not no than then so as about
    between before after during since until within over under into out off per via against
    everywhere somewhere anywhere half part parts set kind type types sort reading
    i me my we us our you your he she his her its their theirs mine ours yours
    whats whos hows following below above please critical high medium report reports reported reporting firing fired
    takes took spent involved related compare problem-free behaviour behavior performance performing
    whether anyhow anyway actually really totally else environment exist exists recently lately again
    affected impacted suffering worst touched ship shipped depend depends dependency dependencies deps
    upstream downstream caller callers calling called talking recovered resolved finished
    situation recap gist blast radius offender offenders suspect suspects mttr fixed repair undo rollback
    looking look caught catch hit hurt that's shape scope few words brief still calmed burning burned
    consumes consumer consumers consume enumerate claim claims statement story ppl people morning evening recommend recommended occurrence parts fast length
    percent percentage share second seconds mean maximum minimum max min peak slowness different differs
    compared comparing comparison previously usual usually tl dr tldr handover write short note notes
    top latest recent current exactly roughly anyone somebody someone anybody frequent frequently often common
    got get gets getting paged pager walk through itself come comes think thought guess right kind kinds
    manager boss colleague colleagues stakeholders management lose losing lost use uses used trouble troubles
    side sides area goes gone away break breaks breaking version heaviest costliest worry worried say saw see seen
""")
"""Words that name no part of anybody's system, wherever they stand."""

NAMED_SO = words("""
    recommendation report reports user users customer customers client order message messages event events
    config query alert notification database search release change request network
""")
"""Those of them that may be the name of a service all the same, where `service` stands behind."""
