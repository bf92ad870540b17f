with replies as (

    select * from {{ ref('int_replies_credited') }}
    where agent_id is not null

),

written as (

    select
        connection_id,
        author_id as agent_id,
        max(author_name) as agent_name
    from {{ ref('conversation_messages') }}
    where author_role = 'agent' and author_id is not null
    group by connection_id, author_id

),

answered_turns as (

    select
        connection_id,
        answered_by_author_id as agent_id,
        count(*) as answered_turn_count,
        {{ median_seconds('wait_seconds') }} as median_answer_seconds
    from {{ ref('conversation_turns') }}
    where side = 'customer' and is_answered and answered_by_author_id is not null
    group by connection_id, answered_by_author_id

),

assignments as (

    select
        connection_id,
        assignee_user_id as agent_id,
        cast(sum(case when kind in ('spam', 'merged') then 0 else 1 end) as bigint) as assigned_ticket_count,
        cast(sum(case when kind in ('spam', 'merged') or is_closed then 0 else 1 end) as bigint)
            as assigned_open_ticket_count,
        cast(sum(case when kind not in ('spam', 'merged') and is_closed then 1 else 0 end) as bigint)
            as assigned_closed_ticket_count
    from {{ ref('tickets') }}
    where assignee_user_id is not null and not is_deleted
    group by connection_id, assignee_user_id

),

employees as (

    select
        connection_id,
        employee_id as agent_id,
        employee_name,
        email,
        title,
        is_deleted
    from {{ ref('stg_unified__employees') }}

),

connections as (

    select
        connection_id,
        integration_type
    from {{ ref('stg_unified__connections') }}

),

reply_figures as (

    select
        connection_id,
        agent_id,
        count(*) as reply_count,
        count(distinct ticket_id) as replied_ticket_count,
        cast(sum(case when is_first_reply then 1 else 0 end) as bigint) as first_reply_count,
        {{ median_seconds('first_reply_seconds') }} as median_first_reply_seconds,
        {{ percentile_seconds('first_reply_seconds', 0.9) }} as p90_first_reply_seconds,
        cast(sum(case when is_last_of_closed then 1 else 0 end) as bigint) as closed_ticket_count,
        min(sent_at) as first_replied_at,
        max(sent_at) as last_replied_at
    from replies
    group by connection_id, agent_id

),

agent_keys as (

    select
        connection_id,
        agent_id
    from written
    union
    select
        connection_id,
        agent_id
    from assignments
    union
    select
        connection_id,
        agent_id
    from employees

),

unread_connections as (

    select connection_id
    from {{ ref('tickets') }}
    where not is_deleted
    group by connection_id
    having max(case when is_conversation_known then 1 else 0 end) = 0

),

-- Whoever did nothing has done 0, but where no conversation has been read.
agents as (

    select
        agent_keys.connection_id,
        agent_keys.agent_id,
        case when unread_connections.connection_id is null then cast(0 as bigint) end as none_if_known
    from agent_keys
    left join unread_connections
        on agent_keys.connection_id = unread_connections.connection_id

)

select
    agents.connection_id,
    agents.agent_id,
    connections.integration_type,
    coalesce(employees.employee_name, written.agent_name) as agent_name,
    employees.email,
    employees.title,
    coalesce(reply_figures.reply_count, agents.none_if_known) as reply_count,
    coalesce(reply_figures.replied_ticket_count, agents.none_if_known) as replied_ticket_count,
    coalesce(reply_figures.first_reply_count, agents.none_if_known) as first_reply_count,
    reply_figures.median_first_reply_seconds,
    reply_figures.p90_first_reply_seconds,
    coalesce(answered_turns.answered_turn_count, agents.none_if_known) as answered_turn_count,
    answered_turns.median_answer_seconds,
    coalesce(reply_figures.closed_ticket_count, agents.none_if_known) as closed_ticket_count,
    reply_figures.first_replied_at,
    reply_figures.last_replied_at,
    coalesce(assignments.assigned_ticket_count, 0) as assigned_ticket_count,
    coalesce(assignments.assigned_open_ticket_count, 0) as assigned_open_ticket_count,
    coalesce(assignments.assigned_closed_ticket_count, 0) as assigned_closed_ticket_count,
    employees.agent_id is not null as is_employee,
    coalesce(employees.is_deleted, false) as is_deleted
from agents
left join connections
    on agents.connection_id = connections.connection_id
left join employees
    on
        agents.connection_id = employees.connection_id
        and agents.agent_id = employees.agent_id
left join written
    on
        agents.connection_id = written.connection_id
        and agents.agent_id = written.agent_id
left join reply_figures
    on
        agents.connection_id = reply_figures.connection_id
        and agents.agent_id = reply_figures.agent_id
left join answered_turns
    on
        agents.connection_id = answered_turns.connection_id
        and agents.agent_id = answered_turns.agent_id
left join assignments
    on
        agents.connection_id = assignments.connection_id
        and agents.agent_id = assignments.agent_id
