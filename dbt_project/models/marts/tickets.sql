with tickets as (

    select
        *,
        case
            when {{ lower_case('status_text') }} in ('active', 'closed') then {{ lower_case('status_text') }}
            else 'unknown'
        end as status
    from {{ ref('stg_unified__tickets') }}

),

connections as (

    select
        connection_id,
        integration_type
    from {{ ref('stg_unified__connections') }}

),

categories as (

    select
        connection_id,
        category_id,
        category_name,
        is_deleted
    from {{ ref('stg_unified__categories') }}

),

category_names as (

    select
        connection_id,
        {{ comparable_text('category_name') }} as comparable_name,
        min(category_id) as category_id,
        min(category_name) as category_name
    from categories
    where category_name is not null and not is_deleted
    group by connection_id, {{ comparable_text('category_name') }}
    having count(*) = 1

),

measured_tickets as (

    select * from {{ ref('int_tickets_measured') }}

)

select
    tickets.connection_id,
    tickets.ticket_id,
    connections.integration_type,
    tickets.customer_id,
    tickets.assignee_user_id,
    coalesce(tickets.category_id, category_names.category_id) as category_id,
    coalesce(categories.category_name, category_names.category_name, tickets.category_text) as category_name,
    tickets.subject,
    tickets.status,
    tickets.status_text,
    tickets.priority,
    tickets.source,
    tickets.url,
    cast(tickets.tags as json) as tags,
    tickets.created_at as opened_at,
    tickets.updated_at,
    tickets.due_at,
    case when tickets.status = 'closed' then tickets.closed_at end as closed_at,
    measured_tickets.opened_by_role,
    measured_tickets.first_customer_message_at,
    measured_tickets.first_replied_at,
    measured_tickets.first_reply_seconds,
    case
        when
            tickets.status = 'closed' and not tickets.is_deleted
            and {{ seconds_between('tickets.created_at', 'tickets.closed_at') }} >= 0
            then {{ seconds_between('tickets.created_at', 'tickets.closed_at') }}
    end as resolution_seconds,
    measured_tickets.message_count,
    measured_tickets.customer_message_count,
    measured_tickets.agent_message_count,
    measured_tickets.agent_reply_count,
    measured_tickets.bot_message_count,
    measured_tickets.internal_message_count,
    measured_tickets.first_message_at,
    measured_tickets.last_message_at,
    measured_tickets.first_contact_at,
    measured_tickets.last_contact_at,
    measured_tickets.last_customer_message_at,
    measured_tickets.last_agent_message_at,
    case
        when tickets.is_deleted then null
        when tickets.status = 'closed' then 'nobody'
        when measured_tickets.last_spoken_role = 'customer' then 'us'
        when measured_tickets.last_spoken_role = 'agent' then 'customer'
        when measured_tickets.last_spoken_role = 'unknown' then 'unknown'
        else 'nobody'
    end as waiting_on,
    case
        when tickets.status <> 'closed' and measured_tickets.last_spoken_role in ('customer', 'agent')
            then measured_tickets.last_turn_started_at
    end as waiting_since_at,
    tickets.status = 'closed' as is_closed,
    tickets.is_deleted,
    coalesce(measured_tickets.opened_by_role = 'agent', false) as is_agent_opened,
    coalesce(measured_tickets.agent_reply_count > 0, false) as is_answered,
    coalesce(measured_tickets.has_unknown_visibility, false) as has_unknown_visibility,
    coalesce(measured_tickets.has_unknown_author, false) as has_unknown_author,
    tickets.deleted_at,
    tickets.deletion_reason
from tickets
left join connections
    on tickets.connection_id = connections.connection_id
left join categories
    on
        tickets.connection_id = categories.connection_id
        and tickets.category_id = categories.category_id
left join category_names
    on
        tickets.connection_id = category_names.connection_id
        and tickets.category_id is null
        and {{ comparable_text('tickets.category_text') }} = category_names.comparable_name
left join measured_tickets
    on
        tickets.connection_id = measured_tickets.connection_id
        and tickets.ticket_id = measured_tickets.ticket_id
