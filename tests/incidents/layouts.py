"""One line, or a few, in every layout of logs that is read, with what it says."""

from typing import NamedTuple


class Layout(NamedTuple):
    """A layout as people have it: `time` is UTC, and empty where the text tells none."""

    name: str
    text: str
    time: str
    level: str
    message: str
    service: str = "shop"
    logger: str = ""
    file: str = "shop.log"


AT = "2026-03-02T10:20:30"
# fmt: off
LAYOUTS = (
    # JSON lines
    Layout("bunyan", '{"name":"cart","hostname":"h","pid":7,"level":50,"msg":"no stock","time":"2026-03-02T10:20:30.250Z","v":0}', AT, "ERROR", "no stock", "cart"),
    Layout("pino", '{"level":40,"time":1772446830250,"pid":7,"hostname":"h","msg":"slow"}', AT, "WARN", "slow"),
    Layout("ECS", '{"@timestamp":"2026-03-02T10:20:30.250Z","log.level":"error","message":"no stock","service.name":"cart","trace.id":"ABCD"}', AT, "ERROR", "no stock", "cart"),
    Layout("ECS, nested", '{"@timestamp":"2026-03-02T10:20:30Z","log":{"level":"warn","logger":"a.B"},"message":"slow","service":{"name":"cart"}}', AT, "WARN", "slow", "cart", "a.B"),
    Layout("Serilog", '{"@t":"2026-03-02T10:20:30.25Z","@l":"Fatal","@mt":"no stock","SourceContext":"Acme.Cart"}', AT, "FATAL", "no stock", logger="Acme.Cart"),
    Layout("OpenTelemetry record", '{"timeUnixNano":"1772446830250000000","severityNumber":17,"body":{"stringValue":"no stock"}}', AT, "ERROR", "no stock"),
    Layout("microseconds", '{"ts":1772446830250000,"lvl":"warning","msg":"slow"}', AT, "WARN", "slow"),
    Layout("MongoDB", '{"t":{"$date":"2026-03-02T11:20:30.250+01:00"},"s":"E","c":"NETWORK","msg":"no socket"}', AT, "ERROR", "no socket", logger="NETWORK"),
    Layout("GELF", '{"version":"1.1","host":"h","short_message":"no stock","timestamp":1772446830.25,"level":3}', AT, "ERROR", "no stock"),
    Layout("structlog", '{"event":"no stock","level":"critical","timestamp":"2026-03-02T10:20:30.250000Z","logger":"shop.cart"}', AT, "FATAL", "no stock", logger="shop.cart"),
    Layout("an access log in JSON", '{"time":"2026-03-02T10:20:30Z","method":"GET","path":"/cart?id=7","status":503}', AT, "ERROR", "GET /cart 503"),
    # envelopes
    Layout("docker around text", '{"log":"WARN slow\\n","stream":"stdout","time":"2026-03-02T10:20:30.25Z"}', AT, "WARN", "slow"),
    Layout("docker around JSON", '{"log":"{\\"level\\":\\"error\\",\\"msg\\":\\"no stock\\"}\\n","stream":"stdout","time":"2026-03-02T10:20:30.25Z"}', AT, "ERROR", "no stock"),
    Layout("CRI around logfmt", "2026-03-02T10:20:30.250000000Z stdout F level=warn msg=slow", AT, "WARN", "slow"),
    Layout("CRI in two parts", "2026-03-02T10:20:30.25Z stdout P {\"level\":\"error\",\n2026-03-02T10:20:30.26Z stdout F \"msg\":\"no stock\"}", AT, "ERROR", "no stock"),
    Layout("fluent-bit", '{"date":1772446830.25,"log":"ERROR no stock","kubernetes":{"pod_name":"cart-1","container_name":"cart"}}', AT, "ERROR", "no stock", "cart"),
    Layout("Google Cloud", '{"severity":"WARNING","timestamp":"2026-03-02T10:20:30Z","jsonPayload":{"message":"slow"},"resource":{"labels":{"container_name":"cart"}}}', AT, "WARN", "slow", "cart"),
    Layout("journald", '{"__REALTIME_TIMESTAMP":"1772446830250000","PRIORITY":"3","MESSAGE":"no stock","SYSLOG_IDENTIFIER":"cart"}', AT, "ERROR", "no stock", "cart"),
    Layout("logcli", '{"labels":{"app":"cart"},"line":"level=error msg=\\"no stock\\"","timestamp":"2026-03-02T10:20:30Z"}', AT, "ERROR", "no stock", "cart"),
    Layout("kubectl --prefix", "[pod/cart-6f6cfc45b-d9pnv/app] 2026-03-02T10:20:30Z WARN slow", AT, "WARN", "slow", "cart"),
    Layout("stern", 'cart-6f6cfc45b-d9pnv app {"level":"error","time":"2026-03-02T10:20:30Z","msg":"no stock"}', AT, "ERROR", "no stock", "cart"),
    Layout("docker compose", "cart-1  | 2026-03-02T10:20:30Z ERROR no stock", AT, "ERROR", "no stock", "cart"),
    # exports of log stores
    Layout("CloudWatch Insights", '{"results":[[{"field":"@timestamp","value":"2026-03-02 10:20:30.250"},{"field":"@message","value":"ERROR no stock"},{"field":"@ptr","value":"C"}]],"status":"Complete"}', AT, "ERROR", "no stock", file="shop.json"),
    Layout("Datadog's export", '{"data":[{"id":"A","type":"log","attributes":{"timestamp":"2026-03-02T10:20:30.250Z","status":"error","service":"cart","message":"no stock","tags":["env:prod"]}}],"meta":{}}', AT, "ERROR", "no stock", "cart", file="shop.json"),
    Layout("Datadog's CSV", 'Date,Host,Service,Message,Status\n2026-03-02T10:20:30.250Z,h,cart,slow,warn', AT, "WARN", "slow", "cart", file="shop.csv"),
    Layout("Splunk's export", '{"preview":false,"result":{"_time":"2026-03-02T10:20:30.250+00:00","host":"h","_raw":"ERROR no stock"}}', AT, "ERROR", "no stock", file="shop.json"),
    Layout("Splunk's CSV", '"_time",host,"_raw"\n"2026-03-02T11:20:30.250+0100",h,"WARN slow"', AT, "WARN", "slow", file="shop.csv"),
    Layout("Kibana's CSV", '"@timestamp",level,message\n"Mar 2, 2026 @ 10:20:30.250",error,no stock', AT, "ERROR", "no stock", file="shop.csv"),
    Layout("Azure's diagnostics", '{"records":[{"time":"2026-03-02T10:20:30.25Z","level":"Error","resourceId":"/X","properties":{"message":"no stock"}}]}', AT, "ERROR", "no stock", file="shop.json"),
    Layout("Google Cloud, a request", '{"httpRequest":{"requestMethod":"GET","requestUrl":"http://x/cart?id=1","status":503},"timestamp":"2026-03-02T10:20:30.250Z"}', AT, "ERROR", "GET /cart 503"),
    Layout("Kubernetes events", '{"apiVersion":"v1","items":[{"kind":"Event","reason":"BackOff","message":"no stock","lastTimestamp":"2026-03-02T10:20:30Z","involvedObject":{"kind":"Pod","name":"cart-6f6cfc45b-d9pnv"}}],"kind":"List"}', AT, "", "no stock", "cart", file="shop.json"),
    Layout("Windows events", '[{"TimeCreated":"/Date(1772446830250)/","Level":2,"LevelDisplayName":"Error","ProviderName":"cart","Message":"no stock"}]', AT, "ERROR", "no stock", "cart", file="shop.json"),
    Layout("PostgreSQL's JSON", '{"timestamp":"2026-03-02 10:20:30.250 UTC","user":"u","error_severity":"ERROR","message":"no stock"}', AT, "ERROR", "no stock"),
    Layout("Vercel", '{"id":"1","message":"slow","timestamp":1772446830250,"source":"lambda","level":"warning"}', AT, "WARN", "slow"),
    # load balancers
    Layout("HAProxy", 'Mar  2 10:20:30 lb haproxy[7]: 10.0.0.1:1 [02/Mar/2026:10:20:30.250] fe be/cart1 0/0/0/-1/30 503 212 - - sH-- 1/1/0/0/0 0/0 "GET /cart HTTP/1.1"', AT, "ERROR", "GET /cart 503"),
    Layout("AWS's load balancer", 'https 2026-03-02T10:20:30.250000Z app/lb/50d 10.0.0.1:2 10.0.0.2:80 0.0 0.0 0.0 404 - 34 366 "GET https://x:443/cart?id=7 HTTP/1.1" "curl" - -', AT, "WARN", "GET /cart 404"),
    # journalctl's other outputs
    Layout("journalctl, short-iso", "2026-03-02T11:20:30+0100 db1 cart[77]: ERROR no stock", AT, "ERROR", "no stock", "cart"),
    Layout("journalctl, short-full", "Mon 2026-03-02 10:20:30 UTC db1 cart[77]: ERROR no stock", AT, "ERROR", "no stock", "cart"),
    Layout("journalctl, short-unix", "1772446830.250123 db1 cart[77]: ERROR no stock", AT, "ERROR", "no stock", "cart"),
    Layout("JSON inside of JSON", '{"ts":"2026-03-02T10:20:30Z","message":"{\\"level\\":\\"error\\",\\"msg\\":\\"no stock\\",\\"service\\":\\"cart\\"}"}', AT, "ERROR", "no stock", "cart"),
    Layout("JSON with spaces", '{ "msg" : "no stock" , "level" : "error" , "time" : "2026-03-02T10:20:30Z" , "svc" : "cart" }', AT, "ERROR", "no stock", "cart"),
    # pairs of keys and values
    Layout("logfmt", 'ts=2026-03-02T10:20:30.25Z caller=cart.go:7 level=warn msg="slow \\"query\\"" took=3s', AT, "WARN", 'slow "query"', logger="cart.go:7"),
    Layout("logrus", 'time="2026-03-02T10:20:30Z" level=fatal msg="no stock" service=cart', AT, "FATAL", "no stock", "cart"),
    # syslog
    Layout("syslog 3164", "Mar  2 10:20:30 db1 cart[77]: WARNING: slow", AT, "WARN", "slow", "cart"),
    Layout("syslog 3164 with a priority", "<11>Mar  2 10:20:30 db1 cart: no stock", AT, "ERROR", "no stock", "cart"),
    Layout("syslog 5424", '<12>1 2026-03-02T10:20:30.250Z db1 cart 77 ID1 [a@1 b="c ] d"][e f="g"] slow', AT, "WARN", "slow", "cart"),
    Layout("rsyslog with a full time", "2026-03-02T11:20:30.250+01:00 db1 cart[77]: ERROR no stock", AT, "ERROR", "no stock", "cart"),
    # access logs
    Layout("nginx", '10.0.0.1 - anna [02/Mar/2026:10:20:30 +0000] "GET /cart?id=7 HTTP/1.1" 404 12 "-" "curl/8"', AT, "WARN", "GET /cart 404"),
    Layout("Envoy", '[2026-03-02T10:20:30.250Z] "POST /pay HTTP/2" 503 UF 0 91 3 - "-" "curl" "id" "shop" "10.0.0.2:80"', AT, "ERROR", "POST /pay 503 UF"),
    Layout("Caddy's common log", '10.0.0.1 - - [02/Mar/2026:11:20:30 +0100] "PUT /cart HTTP/2.0" 200 5', AT, "INFO", "PUT /cart 200"),
    # error logs
    Layout("nginx errors", "2026/03/02 10:20:30 [warn] 7#7: *3 a client request body is buffered", AT, "WARN", "7#7: *3 a client request body is buffered"),
    Layout("Apache errors", "[Mon Mar 02 10:20:30.250000 2026] [proxy:error] [pid 7] [client 10.0.0.1:80] AH1: no backend", AT, "ERROR", "[pid 7] [client 10.0.0.1:80] AH1: no backend"),
    # applications
    Layout("log4j", "2026-03-02 10:20:30,250 [worker-1] ERROR com.acme.Cart - no stock", AT, "ERROR", "no stock", logger="com.acme.Cart"),
    Layout("log4j, level first", "ERROR 2026-03-02 10:20:30,250 [worker-1] com.acme.Cart - no stock", AT, "ERROR", "no stock"),
    Layout("Spring", "2026-03-02 10:20:30.250  WARN 7 --- [nio-8080-exec-1] c.acme.Cart   : slow", AT, "WARN", "slow", logger="c.acme.Cart"),
    Layout("Spring 3", "2026-03-02T11:20:30.250+01:00 ERROR 7 --- [cart] [nio-8080-exec-1] c.acme.Cart : no stock", AT, "ERROR", "no stock", logger="c.acme.Cart"),
    Layout("Sleuth", "2026-03-02 10:20:30.250  INFO [cart,64a7b1c2d3e4f506,64a7b1c2d3e4f506] 7 --- [main] c.acme.Cart : sold", AT, "INFO", "sold", "cart", "c.acme.Cart"),
    Layout("Python", "2026-03-02 10:20:30,250 - cart - WARNING - slow", AT, "WARN", "slow", logger="cart"),
    Layout("Python without a time", "CRITICAL:shop.cart:no stock", "", "FATAL", "no stock", logger="shop.cart"),
    Layout("Django", "[02/Mar/2026 10:20:30] ERROR [shop.cart:7] no stock", AT, "ERROR", "[shop.cart:7] no stock"),
    Layout("uvicorn", 'INFO:     10.0.0.1:80 - "GET /cart HTTP/1.1" 500 Internal Server Error', "", "ERROR", "GET /cart 500"),
    Layout("gunicorn", "[2026-03-02 10:20:30 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:8)", AT, "FATAL", "WORKER TIMEOUT (pid:8)"),
    Layout("Ruby", "E, [2026-03-02T10:20:30.250000 #7] ERROR -- cart: no stock", AT, "ERROR", "no stock", logger="cart"),
    Layout("Rails", "W, [2026-03-02T10:20:30.250000 #7]  WARN -- : [d3b1] slow", AT, "WARN", "[d3b1] slow"),
    Layout("Go", "2026/03/02 10:20:30.250000 no stock", AT, "", "no stock"),
    Layout("klog", 'W0302 10:20:30.250000       7 cart.go:7] "slow" pod="a/b"', AT, "WARN", '"slow" pod="a/b"', logger="cart.go:7"),
    Layout("zap's console", "2026-03-02T10:20:30.250Z\tERROR\tcart/cart.go:7\tno stock", AT, "ERROR", "cart/cart.go:7\tno stock"),
    Layout("hclog", "2026-03-02T10:20:30.250Z [WARN]  cart: slow", AT, "WARN", "cart: slow"),
    Layout("PostgreSQL", "2026-03-02 11:20:30.250 CET [7] shop@cart ERROR:  no such table", AT, "ERROR", "no such table"),
    Layout("MySQL", "2026-03-02T10:20:30.250000Z 0 [Warning] [MY-010068] [Server] slow", AT, "WARN", "[MY-010068] [Server] slow"),
    Layout("Kafka", "[2026-03-02 10:20:30,250] WARN [Broker id=1] slow (kafka.server.Log)", AT, "WARN", "[Broker id=1] slow (kafka.server.Log)"),
    Layout("Redis", "7:M 02 Mar 2026 10:20:30.250 # no memory", AT, "WARN", "no memory"),
    Layout("Tomcat", "02-Mar-2026 10:20:30.250 SEVERE [main] org.apache.catalina.Start no port", AT, "ERROR", "no port", logger="org.apache.catalina.Start"),
    Layout("Java's own", "Mar 02, 2026 10:20:30 AM com.acme.Cart sell\nSEVERE: no stock", AT, "ERROR", "no stock", logger="com.acme.Cart"),
    Layout("log4net", "2026-03-02 10:20:30,250 [7] FATAL Acme.Cart - no stock", AT, "FATAL", "no stock", logger="Acme.Cart"),
    Layout("Serilog's console", "2026-03-02 10:20:30.250 +00:00 [ERR] no stock", AT, "ERROR", "no stock"),
    Layout("Spark", "26/03/02 10:20:30 WARN storage.Block: slow", AT, "WARN", "slow", logger="storage.Block"),
    Layout("HDFS", "260302 102030 7 ERROR dfs.DataNode: no block", AT, "ERROR", "no block", logger="dfs.DataNode"),
    Layout("Android", "03-02 10:20:30.250  1702  2395 E Cart: no stock", AT, "ERROR", "no stock", logger="Cart"),
    Layout("squid", "1772446830.250    5 10.0.0.1 TCP_MISS/200 512", AT, "", "5 10.0.0.1 TCP_MISS/200 512"),
    Layout("Laravel", "[2026-03-02 10:20:30] production.ERROR: no stock", AT, "ERROR", "no stock"),
    Layout("zap's console in small letters", "2026-03-02T10:20:30.250Z\tinfo\tsold", AT, "INFO", "sold"),
    Layout("day first", "02.03.2026 10:20:30 WARN slow", AT, "WARN", "slow"),
    Layout("month first", "03/25/2026 9:20:30 PM ERROR no stock", "2026-03-25T21:20:30", "ERROR", "no stock"),
    Layout("log15", 'ts=1772446830 lvl=eror msg="no stock"', AT, "ERROR", "no stock"),
    Layout("no request", '10.0.0.1 - - [02/Mar/2026:10:20:30 +0000] "-" 408 0', AT, "WARN", "408"),
    Layout("Caddy", '{"logger":"http.log","ts":1772446830.25,"request":{"method":"GET","uri":"/cart"},"status":502,"level":"info","msg":"handled"}', AT, "ERROR", "handled GET /cart 502", logger="http.log"),
    Layout("a time in the second place", "cart-api 2026-03-02T10:20:30Z ERROR no stock", AT, "ERROR", "no stock"),
    # tables and documents
    Layout("IIS", "#Software: IIS\n#Fields: date time s-sitename cs-method cs-uri-stem sc-status\n2026-03-02 10:20:30 CART GET /cart 500", AT, "ERROR", "GET /cart 500", "CART"),
    Layout("a table", "Date,Service,Level,Message\n2026-03-02T10:20:30Z,cart,warn,slow\n", AT, "WARN", "slow", "cart", file="export.csv"),
    Layout("an array", '[{"timestamp":1772446830250,"message":"ERROR no stock"}]', AT, "ERROR", "no stock", file="shop.json"),
    Layout("Elasticsearch", '{"hits":{"total":1,"hits":[{"_index":"x","_source":{"@timestamp":"2026-03-02T10:20:30Z","message":"WARN slow"}}]}}', AT, "WARN", "slow", file="shop.json"),
    Layout("CloudWatch", '{"events":[{"timestamp":1772446830250,"message":"ERROR no stock","ingestionTime":1}]}', AT, "ERROR", "no stock", file="shop.json"),
    Layout("Loki", '{"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"cart"},"values":[["1772446830250000000","level=error msg=\\"no stock\\""]]}]}}', AT, "ERROR", "no stock", "cart", file="loki.json"),
    Layout("OTLP JSON", '{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeLogs":[{"scope":{"name":"a.B"},"logRecords":[{"timeUnixNano":"1772446830250000000","severityText":"Error","body":{"stringValue":"no stock"},"traceId":"ABCD"}]}]}]}', AT, "ERROR", "no stock", "cart", "a.B", file="otel.json"),
)
# fmt: on
