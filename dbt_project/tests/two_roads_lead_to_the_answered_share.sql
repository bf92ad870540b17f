-- The other road goes by turns: of the customers' turns that began early enough and were not closed before the limit,
-- those answered whose wait is within it.
with clocks as (

    select
        connection_id,
        case when max(data_as_of) is not null then least(max(as_of), max(data_as_of)) end as known_until
    from {{ ref('answer_statistics') }}
    group by connection_id

),

turns as (

    select
        turns.*,
        turns.reply_kind || '_reply' as metric,
        {{ seconds_between('turns.started_at', 'clocks.known_until') }} as known_seconds
    from {{ ref('conversation_turns') }} as turns
    inner join clocks
        on turns.connection_id = clocks.connection_id
    where
        turns.side = 'customer'
        and not turns.has_unknown_author
        and turns.end_reason <> 'after_closing'
        and (turns.is_open or turns.ended_at is not null)

),

counts as (

    select
        statistics.connection_id,
        statistics.metric,
        statistics.limit_seconds,
        statistics.old_enough_count,
        statistics.answered_within_count,
        count(turns.turn_number) as old_enough_turn_count,
        count(case when turns.is_answered and turns.wait_seconds <= statistics.limit_seconds then 1 end)
            as answered_within_turn_count
    from {{ ref('answer_statistics') }} as statistics
    left join turns
        on
            statistics.connection_id = turns.connection_id
            and statistics.metric = turns.metric
            and statistics.limit_seconds <= turns.known_seconds
            and (turns.end_reason <> 'closed' or turns.wait_seconds >= statistics.limit_seconds)
    where statistics.metric <> 'resolution'
    group by
        statistics.connection_id, statistics.metric, statistics.limit_seconds,
        statistics.old_enough_count, statistics.answered_within_count

)

select *
from counts
where old_enough_count <> old_enough_turn_count or answered_within_count <> answered_within_turn_count
