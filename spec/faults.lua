-- Lets every system call fail in turn that libevent and this module make while
-- the scripts of spec/host run.
--
--   lua5.4 spec/faults.lua SCRIPT...
--
-- Each run is a process of its own, in which the N-th call of a name fails, or
-- the N-th and all after it, with each error that makes sense for it. It must
-- end by itself, with status 0 or an error that says what failed; it leaves no
-- descriptor and no child, and does not spin. FULL=1 tries every N, else a few
-- are picked by SEED. Any line that is printed for a run starts it again:
--
--   FAULTS=RULE LD_PRELOAD=build/spec/faults.so \
--     lua5.4 spec/host/faulty.lua SCRIPT

local lua = arg[-1]
local build = os.getenv "BUILD" or "build"
-- What stands in front of the sanitizer fails for it, too.
local preload = build .. "/spec/faults.so " .. (os.getenv "LD_PRELOAD" or "")
local sanitizer = "detect_leaks=1:verify_asan_link_order=0"
local full = os.getenv "FULL" == "1"
local each = 3 -- how many N of a name are tried where not all are
local jobs = 6 -- at a time; most of them wait

-- Seconds that a run may take, and of processor time.
local limit, processor = 20, 2

--- What the kernel says of the calls. After `|`: what it may say a few times
-- only, or for ever without harm.
local errors = {
  accept = "EMFILE ENFILE ENOBUFS|ECONNABORTED EPERM EINTR EAGAIN",
  bind = "EADDRINUSE EACCES",
  close_range = "ENOSYS",
  connect = "ECONNREFUSED ENETUNREACH EADDRNOTAVAIL",
  dup = "EMFILE",
  dup2 = "EMFILE|EINTR EBUSY",
  dup3 = "EMFILE|EINTR EBUSY",
  epoll_create1 = "EMFILE ENOMEM",
  epoll_ctl = "ENOSPC ENOMEM EPERM",
  epoll_wait = "EBADF|EINTR",
  eventfd = "EMFILE ENOMEM",
  fcntl = "EBADF",
  fork = "EAGAIN ENOMEM",
  getpeername = "ENOTCONN ENOBUFS",
  getsockname = "ENOBUFS",
  getsockopt = "ENOPROTOOPT",
  ioctl = "ENOTTY",
  listen = "EADDRINUSE",
  open = "EMFILE ENOENT|EINTR",
  opendir = "EMFILE ENOENT",
  pidfd_open = "EMFILE ENOSYS",
  pipe2 = "EMFILE ENFILE",
  poll = "ENOMEM|EINTR",
  pread = "EIO|EINTR",
  read = "EIO|EINTR EAGAIN short",
  recv = "ECONNRESET ETIMEDOUT|EINTR EAGAIN short",
  recvfrom = "|ECONNREFUSED ENOMEM EINTR EAGAIN",
  recvmmsg = "|ECONNREFUSED ENOMEM EINTR EAGAIN short",
  send = "EPIPE ECONNRESET ENOMEM|ENOBUFS EINTR EAGAIN short",
  sendfile = "EIO EINVAL|EINTR EAGAIN short",
  sendmmsg = "EPERM ENOBUFS|EINTR EAGAIN short",
  sendto = "EPERM ENOBUFS ECONNREFUSED|EINTR EAGAIN",
  setsockopt = "ENOPROTOOPT ENOMEM",
  shutdown = "ENOTCONN",
  socket = "EMFILE EAFNOSUPPORT",
  socketpair = "EMFILE",
  timerfd_create = "EMFILE ENOMEM",
  timerfd_settime = "EINVAL",
  waitid = "ECHILD|EINTR",
  waitpid = "ECHILD|EINTR",
  write = "EIO|EINTR EAGAIN short",
  writev = "EPIPE ECONNRESET ENOBUFS|EINTR EAGAIN short",
}
errors.accept4 = errors.accept
errors.readv = errors.recv
errors.sendmsg = errors.send

--- The lines of a report: the calls of each name, how many were hit, and what
-- the error means.
local function counts(name)
  local calls, hits, why = {}, 0, ""
  for line in io.lines(name) do
    local call, n, hit, text = line:match "^(%S+) (%d+) (%d+) (.*)$"
    calls[call], hits = tonumber(n), hits + tonumber(hit)
    why = text ~= "" and text or why
  end
  return calls, hits, why
end

--- Starts a script with a rule.
local function start(script, rule)
  local run = { script = script, rule = rule, report = os.tmpname() }
  run.pipe = assert(io.popen(("ulimit -t %d; exec timeout -s KILL %d env "
    .. "ASAN_OPTIONS=%s FAULTS='%s' FAULTS_REPORT=%s LD_PRELOAD='%s' "
    .. "%s spec/host/faulty.lua %s 2>&1"):format(processor, limit, sanitizer,
    rule, run.report, preload, lua, script)))
  return run
end

--- Waits until a run has ended.
local function finish(run)
  run.output = run.pipe:read "a"
  local _, how, status = run.pipe:close()
  run.how, run.status = how, status
  run.calls, run.hits, run.why = counts(run.report)
  os.remove(run.report)
  return run
end

--- What the other end of a connection may say then.
local consequences = { "reset by peer", "timed out", "broken pipe" }

--- Whether it ended as it may: well, or with an error that tells of the call,
-- of why it failed, or of what becomes of a connection.
local function ended_well(run, call)
  if run.how ~= "exit" or run.status > 1 then
    return false
  end
  local output = run.output:lower()
  local told = run.status == 0 or output:find(call, 1, true)
    or run.why ~= "" and output:find(run.why:lower(), 1, true)
  for _, consequence in ipairs(consequences) do
    told = told or output:find(consequence, 1, true)
  end
  return told
end

local total, failures = 0, 0

local function judge(run, entry)
  finish(run)
  if run.hits == 0 and run.how == "exit" and run.status == 0 then
    return -- the kernel could not do that there
  end
  total, entry.runs = total + 1, entry.runs + 1
  entry.errors = entry.errors + (run.status == 1 and 1 or 0)
  if not ended_well(run, entry.call) then
    failures = failures + 1
    print(("FAULTS='%s' %s: %s %d\n%s"):format(run.rule, run.script, run.how,
      run.status, run.output))
  end
end

--- The N that are tried of so many: the first ones tell most.
local function numbers(count)
  local all, some = {}, {}
  for n = 1, count do
    all[n] = n
  end
  if full or count <= each then
    return all
  end
  for i = 1, each do
    some[i] = table.remove(all, i == 1 and 1 or math.random(#all))
  end
  return some
end

--- The rules for a call that a script makes so often.
local function rules(call, count)
  local list = {}
  local hard, soft = errors[call]:match "^([^|]*)|?(.*)$"
  for what in hard:gmatch "%S+" do
    for _, n in ipairs(numbers(count)) do
      list[#list + 1] = ("%s:%s@%d"):format(call, what, n)
      list[#list + 1] = ("%s:%s@%d-"):format(call, what, n)
    end
  end
  for what in soft:gmatch "%S+" do
    list[#list + 1] = ("%s:%s@p0.5"):format(call, what)
    for _, n in ipairs(numbers(count)) do
      list[#list + 1] = ("%s:%s@%d"):format(call, what, n)
      list[#list + 1] = ("%s:%s@%d-%d"):format(call, what, n, n + 20)
    end
  end
  return list
end

local function sweep_call(script, call, count)
  local entry = { call = call, runs = 0, errors = 0 }
  local running = {}
  for _, rule in ipairs(rules(call, count)) do
    running[#running + 1] = start(script, rule)
    if #running == jobs then
      judge(table.remove(running, 1), entry)
    end
  end
  for _, run in ipairs(running) do
    judge(run, entry)
  end
  print(("%s: %s, %d calls: %d runs, %d ended with an error"):format(script,
    call, count, entry.runs, entry.errors))
end

local function sweep(script)
  local clean = finish(start(script, ""))
  assert(clean.how == "exit" and clean.status == 0, clean.output)
  local names = {}
  for call, n in pairs(clean.calls) do
    names[#names + 1] = errors[call] and n > 0 and call or nil
  end
  table.sort(names)
  for _, call in ipairs(names) do
    sweep_call(script, call, clean.calls[call])
  end
end

math.randomseed(tonumber(os.getenv "SEED") or 1)
for _, script in ipairs(arg) do
  sweep(script)
end
print(("%d runs, %d failed"):format(total, failures))
os.exit(failures == 0, true)
