{%- set reasons = {
    'sla_breached': 'overdue_sla_count > 0',
    'sla_at_risk': 'overdue_sla_count = 0 and at_risk_sla_count > 0',
    'unassigned': 'is_unassigned',
    'waiting_long': "waiting_on = 'us' and waiting_seconds >= " ~ var('triage_waiting_seconds'),
    'reopened': 'observed_reopen_count > 0',
    'vip': 'is_vip',
    'no_category': 'not has_category',
} -%}

with tickets as (

    select * from {{ ref('open_tickets') }}

),

weights as (

    select
        reason,
        weight,
        row_number() over (order by weight desc, reason asc) as place
    from {{ ref('stg_seeds__triage_weights') }}
    where weight <> 0

),

ticket_reasons as (

    {% for reason, condition in reasons.items() %}
        {% if not loop.first %}union all{% endif %}
        select
            connection_id,
            ticket_id,
            '{{ reason }}' as reason
        from tickets
        where {{ condition }}
    {% endfor %}

),

scores as (

    select
        ticket_reasons.connection_id,
        ticket_reasons.ticket_id,
        cast(sum(weights.weight) as bigint) as score,
        {{ json_array_aggregate(
            json_object({'reason': 'weights.reason', 'weight': 'weights.weight'}),
            order_by='weights.place'
        ) }} as reasons
    from ticket_reasons
    inner join weights
        on ticket_reasons.reason = weights.reason
    group by ticket_reasons.connection_id, ticket_reasons.ticket_id

)

select
    tickets.connection_id,
    tickets.ticket_id,
    row_number() over (
        order by
            scores.score desc,
            case when tickets.waiting_on = 'us' then tickets.waiting_since_at end asc nulls last,
            tickets.opened_at asc nulls last,
            {{ byte_order('tickets.connection_id') }} asc,
            {{ byte_order('tickets.ticket_id') }} asc
    ) as place,
    scores.score,
    cast(scores.reasons as json) as reasons,
    tickets.integration_type,
    tickets.customer_id,
    tickets.customer_name,
    tickets.assignee_user_id,
    tickets.assignee_name,
    tickets.category_name,
    tickets.subject,
    tickets.priority,
    tickets.url,
    tickets.opened_at,
    tickets.open_seconds,
    tickets.waiting_on,
    tickets.waiting_since_at,
    tickets.waiting_seconds,
    tickets.next_due_at,
    tickets.data_as_of,
    tickets.as_of
from tickets
inner join scores
    on
        tickets.connection_id = scores.connection_id
        and tickets.ticket_id = scores.ticket_id
