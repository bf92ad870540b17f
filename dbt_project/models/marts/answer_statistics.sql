with clocks as (

    select * from {{ ref('int_clocks_started') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

),

clock as (

    select as_of
    from {{ ref('int_calendars_now') }}
    where calendar = ''

),

limits as (

    {% for limit in var('answer_limits_seconds') %}
        {% if not loop.first %}union all{% endif %}
        select cast({{ limit }} as bigint) as limit_seconds
    {% endfor %}

),

cases as (

    select
        clocks.*,
        clocks.state in ('answered', 'running') and not clocks.has_unknown_author as is_case,
        clocks.state = 'closed' and not clocks.has_unknown_author as is_closed_unanswered,
        clocks.state = 'answered' and not clocks.has_unknown_author as is_answered,
        {{ seconds_between('clocks.started_at', 'clocks.ended_at') }} as ended_seconds,
        -- An answer of after what has been read is not known yet.
        case
            when connections.data_as_of is not null
                then {{ seconds_between('clocks.started_at', 'least(clock.as_of, connections.data_as_of)') }}
        end as known_seconds,
        connections.data_as_of,
        clock.as_of
    from clocks
    cross join clock
    left join connections
        on clocks.connection_id = connections.connection_id

),

-- Whoever still waits has waited longer than anybody; no real wait is as long as this.
timed_cases as (

    select
        *,
        case when is_answered then ended_seconds end as answered_seconds,
        case when is_answered then ended_seconds when is_case then 4000000000000 end as seconds_or_longest
    from cases

),

-- Whoever was closed unanswered before the limit might still have been answered within it.
counted_cases as (

    select
        timed_cases.*,
        limits.limit_seconds,
        coalesce(timed_cases.known_seconds >= limits.limit_seconds, false)
        and (
            timed_cases.is_case
            or (timed_cases.is_closed_unanswered and timed_cases.ended_seconds >= limits.limit_seconds)
        ) as is_old_enough
    from timed_cases
    cross join limits

),

figures as (

    select
        connection_id,
        metric,
        limit_seconds,
        max(integration_type) as integration_type,
        sum(case when is_case then 1 else 0 end) as case_count,
        sum(case when is_answered then 1 else 0 end) as answered_count,
        sum(case when is_case and not is_answered then 1 else 0 end) as open_count,
        sum(case when is_closed_unanswered then 1 else 0 end) as closed_unanswered_count,
        sum(case when is_case or is_closed_unanswered then 0 else 1 end) as left_out_count,
        sum(case when is_old_enough then 1 else 0 end) as old_enough_count,
        sum(case when is_old_enough and answered_seconds <= limit_seconds then 1 else 0 end) as answered_within_count,
        cast(floor(avg(answered_seconds) + 0.5) as bigint) as mean_answered_seconds,
        {{ median_seconds('answered_seconds') }} as median_answered_seconds,
        {{ median_seconds('seconds_or_longest') }} as median_seconds_or_longest,
        max(data_as_of) as data_as_of,
        max(as_of) as as_of
    from counted_cases
    group by connection_id, metric, limit_seconds

)

select
    connection_id,
    metric,
    limit_seconds,
    integration_type,
    cast(case_count as bigint) as case_count,
    cast(answered_count as bigint) as answered_count,
    cast(open_count as bigint) as open_count,
    cast(closed_unanswered_count as bigint) as closed_unanswered_count,
    cast(left_out_count as bigint) as left_out_count,
    cast(old_enough_count as bigint) as old_enough_count,
    cast(answered_within_count as bigint) as answered_within_count,
    case
        when old_enough_count > 0
            then cast(answered_within_count as double precision) / old_enough_count
    end as answered_share,
    mean_answered_seconds,
    median_answered_seconds,
    case
        when median_seconds_or_longest < 1000000000000 then median_seconds_or_longest
    end as median_seconds,
    data_as_of,
    as_of
from figures
