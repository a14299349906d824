"""A page of figures as vLLM 0.32 writes it. Knows nothing of who reads it."""

BOUNDS = ("0.001", "0.01", "0.1", "1.0", "10.0", "+Inf")  # some of vLLM's


def page(
    *,
    first_tokens=(0, 0, 0, 0, 0, 0),
    tokens=0,
    cache=(0, 0),
    running=0,
    waiting=0,
    ended=None,
    turned_away=0,
    started="1.79528e+09",
    engines=1,
):
    """`first_tokens`: so many within each of BOUNDS, `cache`: tokens asked for and found, `ended`:
    requests by reason; all of each engine, but for `turned_away`.
    """
    lines = [
        "# HELP python_gc_objects_collected_total Objects collected during gc",
        "# TYPE python_gc_objects_collected_total counter",
        'python_gc_objects_collected_total{generation="0"} 21456.0',
        "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {started}",
    ]

    def family(name, kind, *samples):
        lines.extend((f"# HELP vllm:{name} Words, with a \\\\ and {{braces}}.",))
        lines.append(f"# TYPE vllm:{name} {kind}")
        for engine in range(engines):
            own = f'engine="{engine}",'
            for suffix, labels, value in samples:
                labels = f'{own}{labels}model_name="a \\"b\\""'
                lines.append(f"vllm:{name}{suffix}{{{labels}}} {float(value)}")

    family("num_requests_running", "gauge", ("", "", running))
    family("num_requests_waiting", "gauge", ("", "", waiting))
    family("num_requests_waiting_by_reason", "gauge", ("", 'reason="capacity",', 77))
    asked, hit = cache
    family("prefix_cache_queries_total", "counter", ("", "", asked))
    family("prefix_cache_queries_created", "gauge", ("", "", 1.795280123e9))
    family("prefix_cache_hits_total", "counter", ("", "", hit))
    family("external_prefix_cache_hits_total", "counter", ("", "", 77))
    family("generation_tokens_total", "counter", ("", "", tokens))
    family("generation_tokens_created", "gauge", ("", "", 1.795280123e9))
    reasons = {"stop": 0, "length": 0, "abort": 0, "error": 0, "repetition": 0, **(ended or {})}
    family(
        "request_success_total",
        "counter",
        *(("", f'finished_reason="{reason}",', count) for reason, count in reasons.items()),
    )
    lines.append("# TYPE vllm:admission_rejections_total counter")
    labels = 'model_name="a",reason="max_num_queued_reqs"'  # no engine here
    lines.append(f"vllm:admission_rejections_total{{{labels}}} {float(turned_away)}")
    within, so_far = [], 0
    for bound, count in zip(BOUNDS, first_tokens, strict=True):
        so_far += count
        within.append(("_bucket", f'le="{bound}",', so_far))
    total = ("_count", "", so_far), ("_sum", "", 0.3 * so_far)
    family("time_to_first_token_seconds", "histogram", *within, *total)
    family("request_queue_time_seconds", "histogram", ("_bucket", 'le="+Inf",', 77))
    return "\n".join(lines) + "\n"
