with connections as (

    select
        connection_id,
        integration_type,
        {{ last_counted_day('data_as_of') }} as last_counted_on
    from {{ ref('int_connections_covered') }}

),

replies as (

    select
        replies.*,
        {{ counted_day('replies.sent_at', 'connections.last_counted_on') }} as replied_on,
        {{ counted_day('replies.closed_at', 'connections.last_counted_on') }} as closed_on
    from {{ ref('int_replies_credited') }} as replies
    inner join connections
        on replies.connection_id = connections.connection_id
    where replies.agent_id is not null

),

answers as (

    select
        turns.connection_id,
        turns.answered_by_author_id as agent_id,
        {{ counted_day('turns.ended_at', 'connections.last_counted_on') }} as answered_on,
        turns.wait_seconds
    from {{ ref('conversation_turns') }} as turns
    inner join connections
        on turns.connection_id = connections.connection_id
    where
        turns.side = 'customer' and turns.is_answered and turns.answered_by_author_id is not null
        and turns.ended_at is not null

),

reply_days as (

    select
        connection_id,
        agent_id,
        replied_on as day_on,
        count(*) as reply_count,
        count(distinct ticket_id) as replied_ticket_count,
        cast(sum(case when is_first_reply then 1 else 0 end) as bigint) as first_reply_count,
        count(first_reply_seconds) as timed_first_reply_count,
        cast(coalesce(sum(first_reply_seconds), 0) as bigint) as first_reply_seconds_sum,
        {{ median_seconds('first_reply_seconds') }} as median_first_reply_seconds,
        min(sent_at) as first_replied_at,
        max(sent_at) as last_replied_at
    from replies
    where sent_at is not null
    group by connection_id, agent_id, replied_on

),

answer_days as (

    select
        connection_id,
        agent_id,
        answered_on as day_on,
        count(*) as answered_turn_count,
        count(wait_seconds) as timed_answer_count,
        cast(coalesce(sum(wait_seconds), 0) as bigint) as answer_seconds_sum,
        {{ median_seconds('wait_seconds') }} as median_answer_seconds
    from answers
    group by connection_id, agent_id, answered_on

),

closing_days as (

    select
        connection_id,
        agent_id,
        closed_on as day_on,
        count(*) as closed_ticket_count
    from replies
    where is_last_of_closed and closed_at is not null
    group by connection_id, agent_id, closed_on

),

-- Whoever answers a turn replies on that day.
agent_days as (

    select
        connection_id,
        agent_id,
        day_on
    from reply_days
    union
    select
        connection_id,
        agent_id,
        day_on
    from closing_days

)

select
    agent_days.connection_id,
    agent_days.agent_id,
    agent_days.day_on,
    connections.integration_type,
    coalesce(reply_days.reply_count, 0) as reply_count,
    coalesce(reply_days.replied_ticket_count, 0) as replied_ticket_count,
    coalesce(reply_days.first_reply_count, 0) as first_reply_count,
    coalesce(reply_days.timed_first_reply_count, 0) as timed_first_reply_count,
    coalesce(reply_days.first_reply_seconds_sum, 0) as first_reply_seconds_sum,
    reply_days.median_first_reply_seconds,
    coalesce(answer_days.answered_turn_count, 0) as answered_turn_count,
    coalesce(answer_days.timed_answer_count, 0) as timed_answer_count,
    coalesce(answer_days.answer_seconds_sum, 0) as answer_seconds_sum,
    answer_days.median_answer_seconds,
    coalesce(closing_days.closed_ticket_count, 0) as closed_ticket_count,
    reply_days.first_replied_at,
    reply_days.last_replied_at
from agent_days
left join connections
    on agent_days.connection_id = connections.connection_id
left join reply_days
    on
        agent_days.connection_id = reply_days.connection_id
        and agent_days.agent_id = reply_days.agent_id
        and agent_days.day_on = reply_days.day_on
left join answer_days
    on
        agent_days.connection_id = answer_days.connection_id
        and agent_days.agent_id = answer_days.agent_id
        and agent_days.day_on = answer_days.day_on
left join closing_days
    on
        agent_days.connection_id = closing_days.connection_id
        and agent_days.agent_id = closing_days.agent_id
        and agent_days.day_on = closing_days.day_on
