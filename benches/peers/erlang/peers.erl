%% The workloads on Erlang/OTP: gen_servers that count, under supervisor. Prints one line of JSON, as the Rust systems do.
%%
%%     erl -noinput -run peers main WORKLOAD static|dynamic CHILDREN WORK
-module(peers).

-export([main/1, init/1, start_child/1, handle_call/3, handle_cast/2]).

-define(CALLERS, 64).
-define(WAVE, 100).

main([Workload, Kind, Children, Work]) ->
    try run(Workload, list_to_atom(Kind), list_to_integer(Children), list_to_integer(Work)) of
        Figures -> print(Figures), halt(0)
    catch
        Class:Reason:Stack ->
            io:format(standard_error, "~s: ~p ~p~n~p~n", [Workload, Class, Reason, Stack]),
            halt(1)
    end.

print(Figures) ->
    Lines = [io_lib:format("{\"name\":\"~s\",\"value\":~.4f,\"unit\":\"~s\"}", [N, float(V), U]) || {N, V, U} <- Figures],
    io:format("{\"figures\":[~s]}~n", [lists:join(",", Lines)]).

%% Workloads

run("cast", Kind, Children, Work) ->
    start(Kind, one_for_one, Children),
    Pid = pid(0),
    Warm = Work div 10,
    cast(Pid, Warm),
    {Warm, _} = gen_server:call(Pid, ask),
    {Took, {Counted, _}} = timed(fun() -> cast(Pid, Work), gen_server:call(Pid, ask, infinity) end),
    equal(messages, Warm + Work, Counted),
    [{"cast", Took / Work, "ns"}];
run("cast-name", Kind, Children, Work) ->
    start(Kind, one_for_one, Children, [named]),
    Name = name(Children div 2),
    Warm = Work div 10,
    cast(Name, Warm),
    {Warm, _} = gen_server:call(Name, ask),
    {Took, {Counted, _}} = timed(fun() -> cast(Name, Work), gen_server:call(Name, ask, infinity) end),
    equal(messages, Warm + Work, Counted),
    [{"cast-name", Took / Work, "ns"}];
run("call", Kind, Children, Work) ->
    start(Kind, one_for_one, Children),
    Pid = pid(0),
    call(Pid, max(1, Work div 10)),
    {Took, ok} = timed(fun() -> call(Pid, Work) end),
    [{"call", Took / Work, "ns"}];
run("call-64", Kind, Children, Work) ->
    start(Kind, one_for_one, Children),
    Pid = pid(0),
    call(Pid, max(1, Work div 10)),
    Each = max(1, Work div ?CALLERS),
    {Took, _} = timed(fun() ->
        Callers = [spawn_monitor(fun() -> call(Pid, Each) end) || _ <- lists:seq(1, ?CALLERS)],
        [receive {'DOWN', Ref, process, _, Why} -> equal(caller, normal, Why) end || {_, Ref} <- Callers]
    end),
    [{"call-64", Took / (Each * ?CALLERS), "ns"}];
run("cast-64", Kind, Children, Work) ->
    start(Kind, one_for_one, Children),
    {Took, Each} = produce(fun(_) -> pid(0) end, Work, [0]),
    {Counted, _} = gen_server:call(pid(0), ask),
    equal(messages, ?CALLERS * Each, Counted),
    [{"cast-64", Took / (Each * ?CALLERS), "ns"}];
run("cast-64-own", Kind, Children, Work) ->
    start(Kind, one_for_one, Children),
    Own = lists:seq(0, ?CALLERS - 1),
    {Took, Each} = produce(fun pid/1, Work, Own),
    [begin {Counted, _} = gen_server:call(pid(N), ask), equal(messages, Each, Counted) end || N <- Own],
    [{"cast-64-own", Took / (Each * ?CALLERS), "ns"}];
run("call-inside", Kind, Children, Work) ->
    start(Kind, one_for_one, Children),
    {_, Life} = gen_server:call(pid(1), ask),
    Life = gen_server:call(pid(0), {relay, pid(1), max(1, Work div 10)}, infinity),
    {Took, Life} = timed(fun() -> gen_server:call(pid(0), {relay, pid(1), Work}, infinity) end),
    [{"call-inside", Took / Work, "ns"}];
run("panic", Kind, _, Work) ->
    recovery("panic", Kind, Work, fun(Pid) -> gen_server:cast(Pid, boom) end);
run("kill", Kind, _, Work) ->
    recovery("kill", Kind, Work, fun(Pid) -> exit(Pid, kill) end);
run("restarts", Kind, Children, Work) ->
    Sup = start(Kind, one_for_one, Children),
    Wave = max(1, Children div 10),
    Waves = max(1, Work div Wave),
    kill_wave(Children, Wave),
    {Took, _} = timed(fun() -> [kill_wave(Children, Wave) || _ <- lists:seq(1, Waves)] end),
    all_answer(Sup, Children),
    equal(starts, Children + Wave * (Waves + 1), ups()),
    [{"restarts", Waves * Wave * 1.0e9 / Took, "1/s"}];
run("one-for-all", Kind, Children, Rounds) ->
    group("one-for-all", Kind, one_for_all, Children, Rounds, fun() -> rand:uniform(Children) - 1 end);
run("rest-for-one", Kind, Children, Rounds) ->
    group("rest-for-one", Kind, rest_for_one, Children, Rounds, fun() -> 0 end);
run("bytes", Kind, Children, _) ->
    stop(start(Kind, one_for_one, 1, [])),
    Before = resident_bytes(),
    Sup = start(Kind, one_for_one, Children, []),
    After = resident_bytes(),
    all_answer(Sup, Children),
    [{"bytes", max(0, After - Before) / Children, "B"}];
run("start", Kind, Children, Trees) ->
    Times = [begin
        {Start, Sup} = timed(fun() -> start(Kind, one_for_one, Children, []) end),
        all_answer(Sup, Children),
        {Stop, ok} = timed(fun() -> stop(Sup) end),
        {Start, Stop}
    end || _ <- lists:seq(1, Trees)],
    Each = fun(N) -> lists:sum([element(N, Time) || Time <- Times]) / Children / Trees / 1000 end,
    [{io_lib:format("start-~b", [Children]), Each(1), "us"}, {io_lib:format("stop-~b", [Children]), Each(2), "us"}];
run("growth", Kind, Children, Work) ->
    start(Kind, one_for_one, Children),
    kill_wave(Children, ?WAVE),
    Begun = now_ns(),
    Killed = grow(Children, Work, Begun + 2000000000, 0),
    Took = now_ns() - Begun,
    equal(starts, Children + ?WAVE + Killed, ups()),
    [{io_lib:format("growth-~b", [Children]), Took / Killed / 1000, "us"}].

%% So many producers at once, each to the server that it is given; until those of Servers have seen all.
produce(Pid, Work, Servers) ->
    Each = max(1, Work div ?CALLERS),
    {Took, _} = timed(fun() ->
        Producers = [spawn_monitor(fun() -> cast(Pid(N), Each) end) || N <- lists:seq(0, ?CALLERS - 1)],
        [receive {'DOWN', Ref, process, _, Why} -> equal(producer, normal, Why) end || {_, Ref} <- Producers],
        [gen_server:call(Pid(N), ask, infinity) || N <- Servers]
    end),
    {Took, Each}.

recovery(Name, Kind, Work, Die) ->
    start(Kind, one_for_one, 1, [named]),
    Warm = Work div 10,
    Times = lists:map(fun(_) ->
        Pid = whereis(c0),
        {Took, ok} = timed(fun() -> Die(Pid), next_life(Pid) end),
        Took
    end, lists:seq(1, Warm + Work)),
    equal(lives, 1 + Warm + Work, ups()),
    Sorted = lists:sort(lists:nthtail(Warm, Times)),
    Quantile = fun(Q) -> lists:nth(max(1, ceil(Q * length(Sorted))), Sorted) / 1000 end,
    [{Name ++ "-p50", Quantile(0.5), "us"}, {Name ++ "-p99", Quantile(0.99), "us"}].

next_life(Last) ->
    case whereis(c0) of
        Pid when is_pid(Pid), Pid =/= Last ->
            try gen_server:call(Pid, ask) of {_, _} -> ok catch exit:_ -> next_life(Last) end;
        _ -> erlang:yield(), next_life(Last)
    end.

group(Name, Kind, Strategy, Children, Rounds, Victim) ->
    Sup = start(Kind, Strategy, Children),
    Times = [begin
        all_answer(Sup, Children),
        Before = ups(),
        {Took, _} = timed(fun() -> exit(pid(Victim()), kill), reach(Before + Children) end),
        Took
    end || _ <- lists:seq(1, Rounds)],
    all_answer(Sup, Children),
    equal(starts, Children * (Rounds + 1), ups()),
    [{Name, lists:sum(Times) / Rounds / 1000000, "ms"}].

grow(Children, Work, Deadline, Killed) ->
    case Killed < Work andalso now_ns() < Deadline of
        true -> kill_wave(Children, ?WAVE), grow(Children, Work, Deadline, Killed + ?WAVE);
        false -> Killed
    end.

kill_wave(Children, Wave) ->
    Victims = sample(Children, Wave, #{}),
    Target = ups() + Wave,
    [exit(pid(Victim), kill) || Victim <- Victims],
    reach(Target).

sample(_, Wave, Drawn) when map_size(Drawn) =:= Wave -> maps:keys(Drawn);
sample(Children, Wave, Drawn) -> sample(Children, Wave, Drawn#{rand:uniform(Children) - 1 => drawn}).

cast(_, 0) -> ok;
cast(To, N) -> gen_server:cast(To, count), cast(To, N - 1).

call(_, 0) -> ok;
call(To, N) -> {_, _} = gen_server:call(To, ask, infinity), call(To, N - 1).

%% Trees

start(Kind, Strategy, Children) -> start(Kind, Strategy, Children, [listed]).

start(Kind, Strategy, Children, Options) ->
    Listed = lists:member(listed, Options),
    Listed andalso ets:new(peers, [named_table, public, {read_concurrency, true}, {write_concurrency, true}]),
    persistent_term:put(peers, {atomics:new(2, []), self(), Listed, lists:member(named, Options)}),
    {ok, Sup} = supervisor:start_link(?MODULE, {tree, Kind, Strategy, Children}),
    Kind =:= dynamic andalso [{ok, _} = supervisor:start_child(Sup, [N]) || N <- lists:seq(0, Children - 1)],
    equal(starts, Children, ups()),
    Sup.

stop(Sup) ->
    unlink(Sup),
    Ref = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Ref, process, Sup, shutdown} -> ok end.

all_answer(Sup, Children) ->
    Lives = [element(2, gen_server:call(Pid, ask, infinity)) || {_, Pid, _, _} <- supervisor:which_children(Sup)],
    equal(answers, Children, length(lists:usort(Lives))).

start_child(N) ->
    case persistent_term:get(peers) of
        {_, _, _, true} -> gen_server:start_link({local, name(N)}, ?MODULE, {child, N}, []);
        {_, _, _, false} -> gen_server:start_link(?MODULE, {child, N}, [])
    end.

init({tree, static, Strategy, Children}) ->
    {ok, {flags(Strategy), [#{id => N, start => {?MODULE, start_child, [N]}} || N <- lists:seq(0, Children - 1)]}};
init({tree, dynamic, one_for_one, _}) ->
    {ok, {flags(simple_one_for_one), [#{id => child, start => {?MODULE, start_child, []}}]}};
init({child, N}) ->
    {_, _, Listed, _} = persistent_term:get(peers),
    Listed andalso ets:insert(peers, {N, self()}),
    {ok, {0, up()}}.

flags(Strategy) -> #{strategy => Strategy, intensity => 1000000000, period => 1}.

handle_call({relay, Pid, Calls}, _From, State) ->
    call(Pid, Calls - 1),
    {_, Life} = gen_server:call(Pid, ask, infinity),
    {reply, Life, State};
handle_call(ask, _From, State) -> {reply, State, State}.

handle_cast(count, {Count, Life}) -> {noreply, {Count + 1, Life}};
handle_cast(boom, _) -> error(deliberate).

name(N) -> list_to_atom("c" ++ integer_to_list(N)).

pid(N) -> ets:lookup_element(peers, N, 2).

%% The gate: children count themselves up, and tell the driver when they are as many as it waits for.

up() ->
    {Counts, Driver, _, _} = persistent_term:get(peers),
    Up = atomics:add_get(Counts, 1, 1),
    Up =:= atomics:get(Counts, 2) andalso (Driver ! {reached, Up}),
    Up.

ups() -> atomics:get(element(1, persistent_term:get(peers)), 1).

reach(Target) ->
    Counts = element(1, persistent_term:get(peers)),
    atomics:put(Counts, 2, Target),
    case atomics:get(Counts, 1) >= Target of
        true -> ok;
        false -> receive {reached, Target} -> ok end
    end.

%% Measuring

now_ns() -> erlang:monotonic_time(nanosecond).

timed(Work) ->
    Begun = now_ns(),
    Result = Work(),
    {now_ns() - Begun, Result}.

equal(_, Same, Same) -> ok;
equal(What, Expected, Got) -> error({What, expected, Expected, got, Got}).

resident_bytes() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:lexemes(Text, " "),
    4096 * binary_to_integer(Pages).
