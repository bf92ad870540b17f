-- Answered and open make up the cases; cases, those closed unanswered and those left out all clocks, for every connection, metric and limit.
with clocks as (

    select
        connection_id,
        metric,
        count(*) as clock_count
    from {{ ref('int_clocks_started') }}
    group by connection_id, metric

),

limits as (

    {% for limit in var('answer_limits_seconds') -%}
    {{ 'union all' if not loop.first }}
    select cast({{ limit }} as bigint) as limit_seconds
    {% endfor %}

)

select
    coalesce(clocks.connection_id, statistics.connection_id) as connection_id,
    coalesce(clocks.metric, statistics.metric) as metric,
    coalesce(limits.limit_seconds, statistics.limit_seconds) as limit_seconds,
    clocks.clock_count,
    statistics.case_count,
    statistics.answered_count,
    statistics.open_count,
    statistics.left_out_count
from clocks
cross join limits
full outer join {{ ref('answer_statistics') }} as statistics
    on
        clocks.connection_id = statistics.connection_id
        and clocks.metric = statistics.metric
        and limits.limit_seconds = statistics.limit_seconds
where
    not coalesce(
        statistics.answered_count + statistics.open_count = statistics.case_count
        and statistics.case_count + statistics.closed_unanswered_count + statistics.left_out_count = clocks.clock_count
        and statistics.old_enough_count <= statistics.case_count + statistics.closed_unanswered_count
        and statistics.answered_within_count <= least(statistics.old_enough_count, statistics.answered_count),
        false
    )
    or statistics.answered_share not between 0 and 1
    or (statistics.answered_share is null) <> (statistics.old_enough_count = 0)
    or statistics.median_answered_seconds > statistics.median_seconds
    or (statistics.open_count = 0 and {{ differs('statistics.median_seconds', 'statistics.median_answered_seconds') }})
    or (statistics.open_count > statistics.answered_count and statistics.median_seconds is not null)
